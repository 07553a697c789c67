import EchoServer
import Logging

extension EchoServer.Configuration {
    /// Settings that have no effect in combination with the others, by key, with the reason.
    ///
    /// - Parameter metrics: where metrics are served.
    /// - Returns: an empty list if every setting has an effect.
    func settingsWithoutEffect(
        metrics: EchoServer.Endpoint?
    ) -> [(key: String, reason: String)] {
        var found: [(key: String, reason: String)] = []
        if model != .completionPort {
            let reason = "only completion-port uses it, and the model is \(model.rawValue)"
            if workers != nil { found.append(("workers", reason)) }
        }
        if model == .threadPerClient, busyPoll != .zero {
            found.append(("busy-poll", "thread-per-client has no loop that could poll"))
        }
        if splice == .never, !model.canSplice {
            found.append(("splice", "\(model.rawValue) never does"))
        }
        if whenFull == .defer, maximumConnections == nil {
            found.append(("when-full", "max-connections is not set"))
        }
        if model == .select, let maximumConnections, maximumConnections > 1024 {
            found.append(("max-connections", "select serves descriptors below 1024"))
        }
        if model == .threadPerClient, pendingLimit > receiveBufferSize {
            let most = Quantity.text(receiveBufferSize)
            found.append(("pending-limit", "thread-per-client has at most \(most) pending"))
        }
        if inherited.isEmpty, !listen.contains(where: \.isTCP) {
            let reason = "no TCP socket is opened"
            if keepalive != nil { found.append(("keepalive", reason)) }
            if socketReceiveBuffer != nil { found.append(("receive-buffer", reason)) }
        }
        if listen.isEmpty, !inherited.isEmpty {
            found.append(("backlog", "all sockets are inherited"))
        }
        if !(listen + inherited.map(\.endpoint)).contains(where: \.isUDP) {
            let reason = "no UDP socket is opened"
            found += [("loop-guard", reason), ("datagram-rate", reason)]
        } else if !loopGuard {
            found.append(("datagram-rate", "loop-guard is off"))
        }
        if !(listen + [metrics].compactMap(\.self)).contains(where: \.hasFile) {
            let reason = "no Unix socket with a path is opened"
            if socketMode != nil { found.append(("socket-mode", reason)) }
            if socketGroup != nil { found.append(("socket-group", reason)) }
        }
        return found
    }
}

extension EchoServer.Endpoint {
    fileprivate var isTCP: Bool {
        if case .tcp = self { true } else { false }
    }

    fileprivate var isUDP: Bool {
        if case .udp = self { true } else { false }
    }

    fileprivate var hasFile: Bool {
        guard case .unix(let path) = self else { return false }
        return path.utf8.first != 0
    }
}

extension Settings {
    /// Warns about given settings without effect, and names the origin of each.
    func warn(
        _ logger: Logger,
        aboutUselessIn configuration: EchoServer.Configuration,
        metrics: EchoServer.Endpoint?
    ) {
        for (key, reason) in configuration.settingsWithoutEffect(metrics: metrics) {
            guard let origin = origins[key] else { continue }
            logger.warning(
                "setting without effect",
                metadata: ["setting": "\(key)", "origin": "\(origin.name)", "reason": "\(reason)"]
            )
        }
    }
}
