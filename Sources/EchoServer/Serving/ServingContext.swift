import Logging
import Sockets

/// What all threads of one running server share.
final class ServingContext: Sendable {
    let configuration: EchoServer.Configuration
    let rules: EchoRules
    let admission: Admission
    let counters = CounterGroup()
    let log: ServerLog

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

    /// Bytes that one operation moves at most: no more than a connection may owe.
    var operationBufferSize: Int { min(configuration.receiveBufferSize, rules.pendingLimit) }

    /// Accounts for a connection that has ended.
    ///
    /// Called once for each admitted one.
    func ended(_ peer: Peer, since beginning: Beginning, _ state: EchoState) {
        admission.leave(peer, cause: state.closeCause)
        log.closed(peer, since: beginning, state)
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
