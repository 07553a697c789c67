import EchoSockets
import Histogram

/// What becomes of the connections of a round.
protocol LoadEvents: AnyObject {
    /// A connection has been opened.
    func opened(_ connection: AnyObject)
    /// A connection has had its one echo, and is closed.
    func churned(_ connection: AnyObject)
    /// A connection could not be opened, or has ended, or is wrong.
    func failed(_ connection: AnyObject, _ reason: String)
}

/// What the connections of a round share.
final class LoadRound {
    let loop: ClientLoop
    let address: SocketAddress
    /// Whether the server is asked over UDP.
    let isDatagram: Bool
    let load: EchoBench.Load
    let seed: UInt64
    var tally = LoadTally()
    /// Whether messages are to be sent.
    var isSending = false
    /// Whether echoes count.
    var isMeasuring = false
    /// Echoes, those included that do not count.
    private(set) var answers = 0
    private var begin: Int64 = 0
    private var pause: Int64 = 0
    /// Whether the first connections have all been opened.
    var hasOpened = false
    /// When the first message of an open loop is due, and how many connections take turns.
    var firstMoment: Int64 = 0
    var laneCount = 1
    /// Who is told.
    weak var events: (any LoadEvents)?
    private(set) var streams = 0

    init(
        _ loop: ClientLoop,
        _ address: SocketAddress,
        isDatagram: Bool,
        _ load: EchoBench.Load,
        seed: UInt64
    ) {
        self.loop = loop
        self.address = address
        self.isDatagram = isDatagram
        self.load = load
        self.seed = seed
    }

    var isOpenLoop: Bool { load.rate != nil }

    /// Which of the seed's streams a connection sends.
    func nextStream() -> Int {
        defer { streams += 1 }
        return streams
    }

    /// The moment for which a message of one of the connections is scheduled, in nanoseconds.
    func moment(of message: Int, in lane: Int) -> Int64 {
        guard let rate = load.rate else { return 0 }
        return firstMoment + Int64(Double(message * laneCount + lane) * 1e9 / rate)
    }

    /// Has echoes count, after a pause of the clients in which they received nothing.
    ///
    /// What is scheduled moves by as long; it is not counted in the time of what is under way.
    func beginMeasuring(at begin: MonotonicTime, after pause: Duration) {
        (self.begin, self.pause) = (begin.nanoseconds, pause.nanoseconds)
        firstMoment += self.pause
        tally.begin = begin
        isMeasuring = true
    }

    /// The nanoseconds that a message has been under way since a moment, such as that of sending.
    func time(since moment: Int64, sent: Int64, at now: Int64) -> Int64 {
        now - moment - (sent < begin ? pause : 0)
    }

    func noteLateness(_ nanoseconds: Int64) {
        if isMeasuring { tally.lateness.record(UInt64(max(0, nanoseconds))) }
    }

    func noteLost() {
        if isMeasuring { tally.lost += 1 }
    }

    func noteEcho(sent: Int64, scheduled: Int64?, at now: Int64) {
        answers += 1
        guard isMeasuring else { return }
        tally.echoes += 1
        tally.service.record(UInt64(max(0, time(since: sent, sent: sent, at: now))))
        guard let scheduled else { return }
        tally.response.record(UInt64(max(0, time(since: scheduled, sent: sent, at: now))))
    }
}
