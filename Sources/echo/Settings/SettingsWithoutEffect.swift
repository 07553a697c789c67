import EchoServer
import Logging

extension EchoServer.Configuration {
    /// Settings that change nothing as the others are, by key, with the reason.
    var settingsWithoutEffect: [(key: String, reason: String)] {
        var found: [(key: String, reason: String)] = []
        if model != .completionPort {
            let reason = "it is for completion-port, and the model is \(model.rawValue)"
            if workers != nil { found.append(("workers", reason)) }
            if busyPoll > .zero { found.append(("busy-poll", reason)) }
        }
        if whenFull == .defer, maximumConnections == nil {
            found.append(("when-full", "there is no max-connections"))
        }
        if model == .select, let maximumConnections, maximumConnections > 1024 {
            found.append(("max-connections", "select serves descriptors below 1024"))
        }
        if model == .threadPerClient, pendingLimit > receiveBufferSize {
            let most = Quantity.text(receiveBufferSize)
            found.append(("pending-limit", "thread-per-client owes at most \(most)"))
        }
        if listen.isEmpty, !inherited.isEmpty {
            found.append(("backlog", "all sockets are inherited"))
        }
        return found
    }
}

extension Settings {
    /// Says which settings that were given change nothing, and where each was given.
    func warn(_ logger: Logger, aboutUselessIn configuration: EchoServer.Configuration) {
        for (key, reason) in configuration.settingsWithoutEffect {
            guard let origin = origins[key] else { continue }
            logger.warning(
                "setting without effect",
                metadata: ["setting": "\(key)", "origin": "\(origin.name)", "reason": "\(reason)"]
            )
        }
    }
}
