import EchoSockets
import Logging

/// What all threads of a running server share.
final class ServingContext: Sendable {
    let configuration: EchoServer.Configuration
    let rules: EchoRules
    let admission: Admission
    let counters = CounterGroup()
    let datagramCounters = DatagramCounterGroup()
    let log: ServerLog
    private let addressSpace = AddressSpace()

    /// What a server with this configuration shares.
    init(_ configuration: EchoServer.Configuration, logger: Logger) {
        self.configuration = configuration
        rules = EchoRules(
            pendingLimit: configuration.pendingLimit,
            idleTimeout: configuration.idleTimeout
        )
        log = ServerLog(logger)
        admission = Admission(configuration)
    }

    /// The most memory for starting a thread, or growing a table.
    private static let memoryReserve = 8 << 20

    /// Whether there is memory for one more connection and for everything that those being served
    /// may have pending, twice because a buffer grows by being copied.
    ///
    /// Running out later would end the process. Without a limit of the address space, nothing is
    /// checked.
    var hasMemoryForOneMore: Bool {
        guard addressSpace.isLimited else { return true }
        let (owed, overflow) = (2 * rules.pendingLimit)
            .multipliedReportingOverflow(by: statistics.active + 1)
        let own = (512 << 10) + configuration.receiveBufferSize
        return !overflow && addressSpace.hasRoom(for: owed + own + Self.memoryReserve)
    }

    /// Whether there is memory to start with.
    var hasMemoryToStart: Bool { addressSpace.hasRoom(for: 2 * Self.memoryReserve) }

    /// The most bytes that one operation moves: no more than a connection may have pending.
    var operationBufferSize: Int { min(configuration.receiveBufferSize, rules.pendingLimit) }

    /// Whether a loop of the server polls before it sleeps; each has one of its own.
    var polling: BusyPolling { BusyPolling(configuration.busyPoll) }

    /// Whether large streams bypass user space.
    var splices: Bool { configuration.splice == .auto && configuration.model.canSplice }

    /// Accounts for a connection that was admitted and then could not be served.
    ///
    /// - Parameters:
    ///   - peer: the connection's peer.
    ///   - error: what was lacking.
    func refused(_ peer: Peer, _ error: Errno) {
        admission.rejected(.resources, admitted: peer)
        log.refused(peer.address, error)
    }

    /// Accounts for a connection that has ended.
    ///
    /// Called once for each admitted connection.
    func ended(_ peer: Peer, since beginning: Beginning, _ state: EchoState) {
        admission.leave(peer, cause: state.closeCause)
        log.closed(peer, since: beginning, state)
    }

    /// Signals everything that is counted from now on.
    ///
    /// Called before any thread serves.
    func notify(_ signal: ActivitySignal) {
        counters.notify(signal)
        datagramCounters.notify(signal)
        admission.notify(signal)
    }

    /// A snapshot of all counts.
    var statistics: EchoServer.Statistics {
        var statistics = admission.statistics
        let totals = counters.totals
        statistics.bytesReceived = totals.bytesReceived
        statistics.bytesSent = totals.bytesSent
        statistics.backPressureEpisodes = totals.pauses
        datagramCounters.add(to: &statistics)
        return statistics
    }

    /// What ends loops with other echo services on a datagram socket.
    ///
    /// - Parameter ownPorts: the ports of all datagram sockets of the server.
    /// - Returns: `nil` if nothing is to.
    func loopGuard(ownPorts: [UInt16]) -> LoopGuard? {
        guard configuration.loopGuard else { return nil }
        return LoopGuard(rate: configuration.datagramRate, ownPorts: ownPorts)
    }
}

extension WorkerState {
    /// The state of a new thread of a server.
    convenience init(_ context: ServingContext) {
        self.init(
            context.rules,
            context.counters.add(),
            bufferSize: context.configuration.receiveBufferSize,
            splices: context.splices
        )
    }
}
