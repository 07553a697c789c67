import EchoSockets
import Logging

/// What all threads of one running server share.
final class ServingContext: Sendable {
    let configuration: EchoServer.Configuration
    let rules: EchoRules
    let admission: Admission
    let counters = CounterGroup()
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

    /// What starting a thread, or growing a table, takes at most.
    private static let memoryReserve = 8 << 20

    /// Whether there is memory for one more connection and for all that those being served may come
    /// to owe, twice because a buffer grows by being copied.
    ///
    /// What is not there when it is needed would end the process. Without a limit of the address
    /// space it is not asked.
    var hasMemoryForOneMore: Bool {
        guard addressSpace.isLimited else { return true }
        let (owed, overflow) = (2 * rules.pendingLimit)
            .multipliedReportingOverflow(by: statistics.active + 1)
        let own = (512 << 10) + configuration.receiveBufferSize
        return !overflow && addressSpace.hasRoom(for: owed + own + Self.memoryReserve)
    }

    /// Whether there is memory to start with.
    var hasMemoryToStart: Bool { addressSpace.hasRoom(for: 2 * Self.memoryReserve) }

    /// Bytes that one operation moves at most: no more than a connection may owe.
    var operationBufferSize: Int { min(configuration.receiveBufferSize, rules.pendingLimit) }

    /// Accounts for a connection that was admitted and then could not be served.
    ///
    /// - Parameters:
    ///   - peer: whose connection it was.
    ///   - error: what was lacking, if that is known.
    ///   - isTold: whether the log has been told, or will be, by whoever goes without it.
    func refused(_ peer: Peer, _ error: Errno?, isTold: Bool = false) {
        admission.rejected(.resources, admitted: peer)
        if !isTold { log.refused(peer.address, error) }
    }

    /// Accounts for a connection that has ended.
    ///
    /// Called once for each admitted one.
    func ended(_ peer: Peer, since beginning: Beginning, _ state: EchoState) {
        admission.leave(peer, cause: state.closeCause)
        log.closed(peer, since: beginning, state)
    }

    /// Has everything that is counted from now on told to somebody who waits for it.
    ///
    /// Before any thread serves.
    func notify(_ signal: ActivitySignal) {
        counters.notify(signal)
        admission.notify(signal)
    }

    /// A snapshot of all counts.
    var statistics: EchoServer.Statistics {
        var statistics = admission.statistics
        let totals = counters.totals
        statistics.bytesReceived = totals.bytesReceived
        statistics.bytesSent = totals.bytesSent
        statistics.backPressureEpisodes = totals.pauses
        return statistics
    }
}

extension WorkerState {
    /// The state of a new thread of a server.
    convenience init(_ context: ServingContext) {
        self.init(
            context.rules,
            context.counters.add(),
            bufferSize: context.configuration.receiveBufferSize
        )
    }
}
