import EchoServer

/// Keeps the service manager informed, if there is one.
struct ServiceReporter: Sendable {
    private let server: EchoServer
    private let notifier: ServiceNotifier?

    /// Reports about a server that has started.
    init(_ server: EchoServer, _ notifier: ServiceNotifier?) {
        self.server = server
        self.notifier = notifier
    }

    /// Says that there will be no server, and why.
    static func report(_ error: any Error, to notifier: ServiceNotifier?) {
        let status = ServiceNotifier.Message.status(Exit.message(for: error))
        if let number = (error as? EchoServer.Failure)?.errorNumber {
            notifier?.send(.errno(number), status)
        } else {
            notifier?.send(status)
        }
    }

    /// Says that it serves.
    func run() async {
        notifier?.send(.ready, .status(status))
    }

    /// Says that it drains.
    func stopping() {
        notifier?.send(.stopping, .status("draining: \(status)"))
    }

    private var status: String {
        let statistics = server.statistics
        let endpoints = server.endpoints.map(\.description).joined(separator: ", ")
        return "\(server.configuration.model.rawValue) on \(endpoints): "
            + "\(statistics.active) active, \(statistics.accepted) accepted"
    }
}
