import EchoProactor
import EchoSockets
import Glibc

/// The clients of a check over UDP, which run concurrently on a client's loop.
///
/// Answers may come in any order: what they answer is told by their bytes. A datagram whose answer
/// does not come within a second is sent again: any may be lost. A second apart, it is no loop to a
/// server that guards against loops. Once one is lost, there is a pause before each that is sent: a
/// server may be too slow, or discard what it finds waiting, as xinetd does.
///
/// Belongs to the loop's thread.
final class DatagramExchange {
    /// What has been seen.
    struct Report {
        /// Datagrams that were sent.
        var count = 0
        /// Datagrams that came back only when they were sent again.
        var resent = 0
        /// Datagrams that came back more often than they were sent.
        var doubled = 0
        /// The first address that answered instead of the one that was asked.
        var otherSource: InternetAddress?
        /// Why a datagram could not arrive.
        var refusal: Errno?
        /// What was wrong, and what was seen.
        var failure: (fault: EchoCheck.Fault, evidence: String)?
    }

    private struct Item {
        let client: Int
        let bytes: [UInt8]
        var sends = 0
        var answers = 0
        var resendTime = MonotonicTime.now
        var isUnderWay = false
    }

    private static let resendInterval = Duration.seconds(1)
    private static let sendLimit = 5
    private static let pause = Duration.milliseconds(5)

    private let loop: ClientLoop
    private let server: SocketAddress
    private let step: DatagramStep
    private let start = MonotonicTime.now
    private var sockets: [AskingSocket] = []
    private var items: [Item] = []
    // Where each client's lie.
    private var ranges: [Range<Int>] = []
    private var queue: [Int] = []
    private var underWay = (count: 0, bytes: 0)
    private var unanswered = 0
    // The pause is over; `nil` while none is made.
    private var nextSend: MonotonicTime?
    private var end: MonotonicTime?
    private let tick = EchoProactor.Operation()
    private var report = Report()
    private var failure: SystemError?

    /// - Parameters:
    ///   - loop: whose thread it is for.
    ///   - server: whom the clients ask.
    ///   - step: what they do.
    init(_ loop: ClientLoop, _ server: SocketAddress, _ step: DatagramStep) {
        self.loop = loop
        self.server = server
        self.step = step
        tick.routine = { _, _, _ in }
        for (client, plan) in step.plans.enumerated() {
            let start = items.count
            items += plan.datagrams.map { Item(client: client, bytes: $0) }
            ranges.append(start..<items.count)
        }
        report.count = items.count
        unanswered = items.count
        // By turns: the first of each client, then the second.
        let turns = ranges.map(\.count).max() ?? 0
        queue = (0..<turns).flatMap { turn in
            ranges.compactMap { turn < $0.count ? $0.lowerBound + turn : nil }
        }
    }

    /// Runs until everything has come back or is given up, the deadline passes, or the loop is told
    /// to end.
    ///
    /// - Parameter deadline: when whatever has not come back is late.
    /// - Returns: what was seen; incomplete if the loop was told to end.
    /// - Throws: a failure on this side that says nothing about the server, such as `EMFILE`.
    func run(until deadline: MonotonicTime) throws(SystemError) -> Report {
        defer { closeAll() }
        let longest = items.map(\.bytes.count).max() ?? 0
        for client in step.plans.indices {
            sockets.append(
                try AskingSocket(
                    loop,
                    server,
                    client: client,
                    // A wrong server may send more than it was sent.
                    bufferSize: max(2048, min(2 * longest, DatagramBatch.bufferSize)),
                    user: self
                )
            )
        }
        loop.run(until: deadline) {
            wakeUpLater()
            sendMore()
            return isOver
        }
        if let failure { throw failure }
        if !loop.isStopped, report.failure == nil, unanswered > 0 {
            report.failure = (.late, missing(after: min(.now, deadline) - start))
        }
        return report
    }

    private var isOver: Bool {
        if report.failure != nil || failure != nil { return true }
        guard unanswered == 0 else { return queue.isEmpty && underWay.count == 0 }
        let end = end ?? .now + step.linger
        self.end = end
        return end <= .now
    }

    private func wakeUpLater() {
        guard !tick.isPending else { return }
        loop.loop.wait(tick, until: .now + Self.pause)
        findLost()
    }

    private func findLost() {
        let now = MonotonicTime.now
        for index in items.indices where items[index].isUnderWay && items[index].resendTime <= now {
            remove(index)
            if items[index].sends < Self.sendLimit { queue.append(index) }
            nextSend = nextSend ?? now
        }
    }

    // It is not under way any more.
    private func remove(_ index: Int) {
        guard items[index].isUnderWay else { return }
        items[index].isUnderWay = false
        underWay.count -= 1
        underWay.bytes -= items[index].bytes.count
    }

    // MARK: Sending

    private func sendMore() {
        var next = 0
        while report.failure == nil, failure == nil, next < queue.count {
            let index = queue[next]
            if items[index].answers == 0 {
                guard hasRoom(for: items[index]), send(index) else { break }
            }
            next += 1
        }
        queue.removeFirst(next)
    }

    private func hasRoom(for item: Item) -> Bool {
        if let nextSend, nextSend > .now { return false }
        if underWay.count == 0 || (step.isBurst && item.sends == 0) { return true }
        return underWay.count < step.window
            && underWay.bytes + item.bytes.count <= step.windowBytes
    }

    /// - Returns: whether the kernel has taken it.
    private func send(_ index: Int) -> Bool {
        if let error = sockets[items[index].client].send(items[index].bytes) {
            if error.refusesDatagrams {
                refuse(error)
            } else if !error.isWouldBlock {
                failure = SystemError(call: "sendto", errno: error)
            }
            return false
        }
        items[index].sends += 1
        items[index].resendTime = .now + Self.resendInterval
        if nextSend != nil { nextSend = .now + Self.pause }
        items[index].isUnderWay = true
        underWay.count += 1
        underWay.bytes += items[index].bytes.count
        return true
    }

    private func refuse(_ error: Errno) {
        report.refusal = error
        report.failure = (.refused, "a datagram did not reach the server: \(error)")
    }

    private func closeAll() {
        for socket in sockets { socket.close() }
        sockets = []
        loop.loop.cancelWait(tick)
        // Lets go of what was pending.
        _ = loop.loop.sleep(for: .zero, alertable: true)
    }

    // MARK: Evidence

    private func missing(after time: Duration) -> String {
        let lost = items.filter { $0.answers == 0 }
        let span = "within \((time + .milliseconds(50)).inTenths)"
        let sends = lost.map(\.sends).max() ?? 0
        let often = sends == 1 ? "once" : "\(sends) times"
        guard items.count > 1 else {
            let bytes = counted(lost.first?.bytes.count ?? 0, "byte")
            return "the datagram of \(bytes) did not come back \(span), sent \(often)"
        }
        let smallest = lost.map(\.bytes.count).min() ?? 0
        return "\(lost.count) of \(counted(items.count, "datagram")) did not come back \(span), "
            + "sent \(often); the smallest of them has \(counted(smallest, "byte"))"
    }
}

extension DatagramExchange: AskingSocketUser {
    func received(_ bytes: UnsafeRawBufferPointer, from source: InternetAddress, by client: Int) {
        guard report.failure == nil else { return }
        let isFromServer = source == InternetAddress(server)
        guard let index = unsafe match(bytes, client) else {
            let plan = step.plans[client]
            let evidence = DatagramEvidence(plan, isAlone: step.plans.count == 1)
            let bytes = unsafe Array(bytes)
            // What others send here is none of the server's.
            guard isFromServer || evidence.recognises(bytes) else { return }
            report.failure = (.wrong, evidence.mismatch(bytes))
            return
        }
        items[index].answers += 1
        if items[index].answers == 1 {
            unanswered -= 1
            remove(index)
            if items[index].sends > 1 { report.resent += 1 }
        }
        if items[index].answers == items[index].sends + 1 { report.doubled += 1 }
        if !isFromServer, report.otherSource == nil { report.otherSource = source }
    }

    // Of equal ones, one that awaits its answer.
    private func match(_ bytes: UnsafeRawBufferPointer, _ client: Int) -> Int? {
        var answered: Int?
        for index in ranges[client] where items[index].sends > 0 {
            guard items[index].bytes.count == bytes.count,
                unsafe items[index].bytes.elementsEqual(bytes)
            else { continue }
            if items[index].answers == 0 { return index }
            answered = answered ?? index
        }
        return answered
    }

    func failed(_ errors: [DatagramError], of client: Int) {
        guard report.failure == nil,
            let refusal = errors.first(where: { $0.errno.refusesDatagrams })
        else { return }
        refuse(refusal.errno)
    }
}

extension Duration {
    /// Seconds with one decimal at most, such as `5 s`.
    fileprivate var inTenths: String {
        Duration.milliseconds(nanoseconds / 100_000_000 * 100).inSeconds
    }
}
