package import EchoSockets
import Glibc

/// The clients of one round: connects, warms up, measures and closes, on the thread of its loop.
package final class LoadClient {
    /// How long connections may take to be opened, all together.
    package static let openingLimit = Duration.seconds(30)
    /// How much longer than a round a first echo may take.
    private static let patience = Duration.seconds(2)
    /// How many connections may be opening at once: backlogs are short.
    private static let window = 64

    private let loop: ClientLoop
    private let round: LoadRound
    private var connections: [any LoadLink] = []
    private var waiting: [any LoadLink] = []
    private var idle: [IdleConnection] = []
    private var idleWaiting: [IdleConnection] = []
    private var opening: Set<ObjectIdentifier> = []
    private var openCount = 0
    private var isOpeningMore = false
    private var ticker: Ticker?
    // Finds the datagrams that are lost.
    private var sweeper: Ticker?
    /// The connections that take turns in an open loop, and how many turns there have been.
    private var lanes: [any LoadLink] = []
    private var turns = 0

    /// - Parameters:
    ///   - loop: whose thread it is for.
    ///   - address: the server.
    ///   - isDatagram: whether it is asked over UDP.
    ///   - load: what the clients do.
    ///   - seed: what makes the bytes differ from another run's.
    package init(
        _ loop: ClientLoop,
        _ address: SocketAddress,
        isDatagram: Bool = false,
        _ load: EchoBench.Load,
        seed: UInt64
    ) {
        self.loop = loop
        round = LoadRound(loop, address, isDatagram: isDatagram, load, seed: seed)
        round.events = self
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
        guard openCount > 0 else { return round.tally }
        start()
        loop.run(until: .now + warmUp) { isOver }
        let begin = beginMeasuring(atBegin)
        let usedBefore = Self.processorTime
        loop.run(until: begin + duration) { isOver }
        round.tally.end = .now
        round.tally.clientTime = Self.processorTime - usedBefore
        round.isMeasuring = false
        atEnd()
        round.tally.missedSends = lanes.reduce(0) { $0 + $1.due }
        round.tally.isUnanswered = waitsInVain()
        return round.tally
    }

    // A churn goes on: its connections are replaced.
    private var isOver: Bool { connections.isEmpty && !round.load.isChurn }

    // Looking at a server with many threads takes a while, which is not the server's fault.
    private func beginMeasuring(_ atBegin: () -> Void) -> MonotonicTime {
        let pauseBegin = MonotonicTime.now
        atBegin()
        let begin = MonotonicTime.now
        let pause = begin - pauseBegin
        ticker?.delay(by: pause.nanoseconds)
        round.beginMeasuring(at: begin, after: pause)
        return begin
    }

    // Where no echo has come, the server, or this machine, may have been too slow for the round.
    private func waitsInVain() -> Bool {
        let isWaiting = connections.contains { $0.isWaiting }
        guard round.tally.echoes == 0, isWaiting else { return false }
        let answers = round.answers
        loop.run(until: .now + Self.patience) { round.answers > answers || isOver }
        return round.answers == answers
    }

    /// Processor time of the calling thread.
    private static var processorTime: Duration {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    // MARK: Opening and closing

    private func openAll() {
        idleWaiting = (0..<round.load.idleConnections).map { _ in IdleConnection(round) }
        waiting = (0..<round.load.connections).reversed().map(link)
        openMore()
        loop.run(until: .now + Self.openingLimit) {
            opening.isEmpty && waiting.isEmpty && idleWaiting.isEmpty
        }
        let left = opening.count + waiting.count + idleWaiting.count
        if left > 0, !loop.isStopped {
            let limit = Self.openingLimit.components.seconds
            note(failures: left, "\(left) connections were not opened within \(limit) s")
        }
        waiting = []
        idleWaiting = []
        round.hasOpened = true
    }

    private func link(_ index: Int) -> any LoadLink {
        round.isDatagram ? LoadDatagrams(round, index: index) : LoadConnection(round, index: index)
    }

    private func openMore() {
        // A connection may fail at once.
        isOpeningMore = true
        defer { isOpeningMore = false }
        while opening.count < Self.window, let next = idleWaiting.popLast() {
            opening.insert(ObjectIdentifier(next))
            idle.append(next)
            if next.open() { continue }
            idle.removeLast()
            idleWaiting.append(next)
            return retry(next)
        }
        while opening.count < Self.window, let next = waiting.popLast() {
            opening.insert(ObjectIdentifier(next))
            connections.append(next)
            if next.open() { continue }
            connections.removeLast()
            waiting.append(next)
            return retry(next)
        }
    }

    // Where the queue of a Unix socket is full, nothing says when it is not any more.
    private func retry(_ connection: AnyObject) {
        opening.remove(ObjectIdentifier(connection))
        loop.at(.now + .milliseconds(2)) { [weak self] in self?.openMore() }
    }

    // One that has been opened may still fail before all have.
    private func settle(_ connection: AnyObject) {
        let wasOpening = opening.remove(ObjectIdentifier(connection)) != nil
        if wasOpening, !isOpeningMore { openMore() }
    }

    private func note(failures: Int, _ reason: String) {
        round.tally.failedConnections += failures
        if round.tally.firstFailure == nil { round.tally.firstFailure = reason }
    }

    private func closeAll() {
        round.isSending = false
        ticker?.cancel()
        sweeper?.cancel()
        for connection in connections { connection.close() }
        for connection in idle { connection.close() }
        connections = []
        idle = []
        lanes = []
    }

    // Another connection in place of one that has had its echo.
    private func replace() {
        guard round.isSending else { return }
        let next = LoadConnection(round, index: round.streams)
        connections.append(next)
        if next.open() { return }
        connections.removeAll { $0 === next }
        replaceLater()
    }

    // A server that refuses all of them is not to be asked without a pause.
    private func replaceLater() {
        loop.at(.now + .milliseconds(2)) { [weak self] in self?.replace() }
    }

    // MARK: Sending

    private func start() {
        round.isSending = true
        if round.isDatagram { sweep() }
        guard let rate = round.load.rate else {
            if round.load.isChurn {
                for _ in connections.count..<round.load.connections { replaceLater() }
            }
            for connection in connections { connection.fillUp() }
            return
        }
        lanes = connections
        for (lane, connection) in lanes.enumerated() { connection.lane = lane }
        round.laneCount = lanes.count
        round.firstMoment = MonotonicTime.now.nanoseconds
        ticker = Ticker(loop, interval: 1e9 / rate, from: round.firstMoment) { [unowned self] in
            lanes[turns % lanes.count].makeDue()
            turns += 1
        }
    }
}

extension LoadClient {
    private func sweep() {
        let interval = Double(LoadDatagrams.timeLimit.nanoseconds) / 5
        let start = MonotonicTime.now.nanoseconds
        sweeper = Ticker(loop, interval: interval, from: start) { [unowned self] in
            let now = MonotonicTime.now
            for connection in connections { connection.expire(at: now) }
        }
    }
}

extension LoadClient: LoadEvents {
    func opened(_ connection: AnyObject) {
        guard !round.hasOpened else { return }
        openCount += 1
        settle(connection)
    }

    func churned(_ connection: AnyObject) {
        connections.removeAll { $0 === connection }
        replace()
    }

    func failed(_ connection: AnyObject, _ reason: String) {
        let isIdle = connection is IdleConnection
        connections.removeAll { $0 === connection }
        idle.removeAll { $0 === connection }
        note(failures: 1, reason)
        if !round.hasOpened {
            settle(connection)
        } else if round.load.isChurn, !isIdle {
            replaceLater()
        }
    }
}
