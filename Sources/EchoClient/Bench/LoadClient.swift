package import EchoSockets
import Glibc
import Histogram

/// The clients of one round: connects, warms up, measures and closes, on the thread of its loop.
package final class LoadClient {
    /// How long connections may take to be opened, all together.
    package static let openingLimit = Duration.seconds(30)

    let loop: ClientLoop
    let address: SocketAddress
    let load: EchoBench.Load
    let seed: UInt64
    var tally = LoadTally()
    private(set) var isSending = false
    private var isMeasuring = false
    private var hasOpened = false
    private var connections: [LoadConnection] = []
    private var waiting: [LoadConnection] = []
    private var idle: [IdleConnection] = []
    private var idleWaiting: [IdleConnection] = []
    private var opening = 0
    private var open = 0
    private var streams = 0
    private var firstMoment: Int64 = 0
    private var scheduledCount = 0
    private var ticker: Ticker?
    private var lanes: [LoadConnection] = []

    /// - Parameters:
    ///   - loop: whose thread it is for.
    ///   - address: the server.
    ///   - load: what the clients do.
    ///   - seed: what makes the bytes differ from another run's.
    package init(
        _ loop: ClientLoop,
        _ address: SocketAddress,
        _ load: EchoBench.Load,
        seed: UInt64
    ) {
        self.loop = loop
        self.address = address
        self.load = load
        self.seed = seed
    }

    var isOpenLoop: Bool { load.rate != nil }

    /// Which of the seed's streams a connection sends.
    func nextStream() -> Int {
        defer { streams += 1 }
        return streams
    }

    /// Runs the round; blocks.
    ///
    /// - Parameters:
    ///   - warmUp: how long it runs before it is measured.
    ///   - duration: how long it is measured.
    ///   - atBegin: called when measuring begins.
    ///   - atEnd: called when measuring ends, with all connections still open.
    /// - Returns: what was counted.
    package func run(
        warmUp: Duration,
        duration: Duration,
        atBegin: () -> Void = {},
        atEnd: () -> Void = {}
    ) -> LoadTally {
        defer { closeAll() }
        openAll()
        guard open > 0 || load.isChurn else { return tally }
        start()
        loop.run(until: .now + warmUp) { connections.isEmpty }
        tally.lateness = LoadTally.histogram
        isMeasuring = true
        atBegin()
        let usedBefore = Self.processorTime
        tally.begin = .now
        let end = tally.begin + duration
        loop.run(until: end) { connections.isEmpty }
        tally.end = .now
        tally.clientTime = Self.processorTime - usedBefore
        isMeasuring = false
        atEnd()
        tally.missedSends = lanes.reduce(0) { $0 + $1.due }
        isSending = false
        return tally
    }

    /// Processor time of the calling thread.
    private static var processorTime: Duration {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    // MARK: Opening and closing

    private func openAll() {
        idleWaiting = (0..<load.idleConnections).map { _ in IdleConnection(self) }
        waiting = (0..<load.connections).map { LoadConnection(self, index: $0) }
        idleWaiting.reverse()
        waiting.reverse()
        openMore()
        let end = MonotonicTime.now + Self.openingLimit
        loop.run(until: end) { opening == 0 && waiting.isEmpty && idleWaiting.isEmpty }
        let left = opening + waiting.count + idleWaiting.count
        if left > 0, !loop.isStopped {
            note(failures: left, "\(left) connections were not opened within \(Self.openingLimit)")
        }
        waiting = []
        idleWaiting = []
        hasOpened = true
    }

    /// How many connections may be opening at once: backlogs are short.
    private static let window = 64

    private func openMore() {
        while opening < Self.window, let next = idleWaiting.popLast() {
            opening += 1
            idle.append(next)
            if !next.open() {
                return retry { [self] in
                    idle.removeLast()
                    idleWaiting.append(next)
                }
            }
        }
        while opening < Self.window, let next = waiting.popLast() {
            opening += 1
            connections.append(next)
            if !next.open() {
                return retry { [self] in
                    connections.removeLast()
                    waiting.append(next)
                }
            }
        }
    }

    // Where the queue of a Unix socket is full, nothing says when it is not any more.
    private func retry(_ undo: () -> Void) {
        opening -= 1
        undo()
        loop.at(.now + .milliseconds(2)) { [unowned self] in openMore() }
    }

    func opened(_ connection: LoadConnection) {
        if hasOpened { return connection.fillUp() }
        open += 1
        hasSettled()
    }

    func idleOpened() {
        hasSettled()
    }

    private func hasSettled() {
        opening -= 1
        openMore()
    }

    func failed(_ connection: LoadConnection, _ reason: String) {
        connections.removeAll { $0 === connection }
        note(failures: 1, reason)
        if !hasOpened { hasSettled() } else if load.isChurn, isSending { replace() }
    }

    func idleFailed(_ reason: String) {
        note(failures: 1, reason)
        if !hasOpened { hasSettled() }
    }

    private func note(failures: Int, _ reason: String) {
        tally.failedConnections += failures
        if tally.firstFailure == nil { tally.firstFailure = reason }
    }

    private func closeAll() {
        isSending = false
        ticker?.cancel()
        for connection in connections { connection.close() }
        for connection in idle { connection.close() }
        connections = []
        idle = []
        lanes = []
    }

    // MARK: Churn

    /// Has the connection followed by another one.
    func churn(_ connection: LoadConnection) {
        connection.finish()
        connections.removeAll { $0 === connection }
        if isSending { replace() }
    }

    private func replace() {
        let next = LoadConnection(self, index: streams)
        connections.append(next)
        if !next.open() {
            connections.removeAll { $0 === next }
            loop.at(.now + .milliseconds(2)) { [unowned self] in if isSending { replace() } }
        }
    }

    // MARK: Sending

    private func start() {
        isSending = true
        guard let rate = load.rate else {
            for connection in connections { connection.fillUp() }
            return
        }
        firstMoment = MonotonicTime.now.nanoseconds
        lanes = connections
        for (lane, connection) in lanes.enumerated() { connection.lane = lane }
        ticker = Ticker(loop, interval: 1e9 / rate, from: firstMoment) { [unowned self] in
            sendScheduled()
        }
    }

    /// The moment for which a message of one of the connections is scheduled, in nanoseconds.
    func moment(of message: Int, in index: Int) -> Int64 {
        guard let rate = load.rate else { return 0 }
        let number = message * lanes.count + index
        return firstMoment + Int64(Double(number) * 1e9 / rate)
    }

    // The connections have their turns one after another.
    private func sendScheduled() {
        let lane = lanes[scheduledCount % lanes.count]
        scheduledCount += 1
        lane.makeDue()
    }

    func noteLateness(_ nanoseconds: Int64) {
        if isMeasuring { tally.lateness.record(UInt64(max(0, nanoseconds))) }
    }

    func noteEcho(_ service: Int64, _ response: Int64?) {
        guard isMeasuring else { return }
        tally.echoes += 1
        tally.service.record(UInt64(max(0, service)))
        if let response { tally.response.record(UInt64(max(0, response))) }
    }
}
