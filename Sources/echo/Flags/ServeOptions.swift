import ArgumentParser
import EchoServer

/// The flags of `serve`.
///
/// A flag that is not given keeps the library's default.
struct ServeOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Endpoint to listen on; may be repeated. (default: localhost:5150)",
            valueName: "endpoint"
        ),
        transform: Parse.endpoint
    )
    var listen: [EchoServer.Endpoint] = []

    @Option(
        name: .long,
        help: ArgumentHelp(
            "I/O model: \(Parse.list(EchoServer.IOModel.self)). (default: completion-port)",
            valueName: "model"
        ),
        completion: Parse.completion(EchoServer.IOModel.self),
        transform: Parse.choice
    )
    var model: EchoServer.IOModel?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Backend: \(Parse.list(EchoServer.Backend.self)); without --model, its fastest model.",
            valueName: "backend"
        ),
        completion: Parse.completion(EchoServer.Backend.self),
        transform: Parse.choice
    )
    var backend: EchoServer.Backend?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Worker threads for completion-port; auto means one per processor. (default: auto)",
            valueName: "n"
        ),
        completion: .list(["auto"]),
        transform: Parse.either("auto", or: Parse.count(1...1024))
    )
    var workers: Switchable<Int>?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Maximum number of concurrent connections. (default: unlimited)",
            valueName: "n"
        ),
        completion: .list(["unlimited"]),
        transform: Parse.either("unlimited", or: Parse.count(1...Int(Int32.max)))
    )
    var maxConnections: Switchable<Int>?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Policy at that limit: reject resets new connections, defer leaves them queued. "
                + "(default: reject)",
            valueName: "policy"
        ),
        completion: Parse.completion(EchoServer.Configuration.FullPolicy.self),
        transform: Parse.choice
    )
    var whenFull: EchoServer.Configuration.FullPolicy?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Maximum number of concurrent connections per IPv4 address, IPv6 /64 or local user. "
                + "(default: unlimited)",
            valueName: "n"
        ),
        completion: .list(["unlimited"]),
        transform: Parse.either("unlimited", or: Parse.count(1...Int(Int32.max)))
    )
    var maxPerPeer: Switchable<Int>?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Close connections that are idle in both directions for this long. (default: never)",
            valueName: "duration"
        ),
        completion: .list(["never"]),
        transform: Parse.either("never", or: Parse.positiveDuration)
    )
    var idleTimeout: Switchable<Duration>?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Time to keep accepting after a signal, before draining. (default: 0s)",
            valueName: "duration"
        ),
        transform: Parse.duration
    )
    var shutdownDelay: Duration?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Time limit for draining open connections. (default: 5s)",
            valueName: "duration"
        ),
        transform: Parse.duration
    )
    var drainTimeout: Duration?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Pending bytes per connection before the server stops reading. (default: 64KiB)",
            valueName: "size"
        ),
        transform: Parse.size(64...(1 << 30))
    )
    var pendingLimit: Int?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Length of the kernel's accept queue. (default: 4096)",
            valueName: "n"
        ),
        transform: Parse.count(1...Int(Int32.max))
    )
    var backlog: Int?

    @OptionGroup var sockets: SocketOptions

    @OptionGroup var datagrams: DatagramOptions

    @Option(
        name: .long,
        help: ArgumentHelp(
            """
            Longest time that a serving loop polls for work before it sleeps, where that pays, up \
            to 1s; auto for 50us. (default: 0s)
            """,
            valueName: "duration"
        ),
        completion: .list(["auto"]),
        transform: Parse.either("auto", or: Parse.busyPoll)
    )
    var busyPoll: Switchable<Duration>?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Whether large streams bypass user space, with select, async-select and event-select: "
                + "auto or never. (default: auto)",
            valueName: "when"
        ),
        completion: Parse.completion(EchoServer.Configuration.Splicing.self),
        transform: Parse.choice
    )
    var splice: EchoServer.Configuration.Splicing?

    /// The configuration that the flags describe.
    ///
    /// - Parameter inherited: sockets that the service manager has passed. If there are any and
    ///   `--listen` is absent, nothing else is opened.
    /// - Returns: the server's configuration.
    /// - Throws: `ValidationError` if model and backend contradict each other.
    func configuration(
        inheriting inherited: [EchoServer.InheritedSocket] = []
    ) throws -> EchoServer.Configuration {
        var configuration = EchoServer.Configuration()
        configuration.model = try chosenModel() ?? configuration.model
        configuration.inherited = inherited
        if !listen.isEmpty || !inherited.isEmpty { configuration.listen = listen }
        configuration.workers = workers?.value
        configuration.maximumConnections = maxConnections?.value
        configuration.whenFull = whenFull ?? configuration.whenFull
        configuration.maximumConnectionsPerPeer = maxPerPeer?.value
        configuration.idleTimeout = idleTimeout?.value
        configuration.shutdownDelay = shutdownDelay ?? configuration.shutdownDelay
        configuration.drainTimeout = drainTimeout ?? configuration.drainTimeout
        configuration.pendingLimit = pendingLimit ?? configuration.pendingLimit
        configuration.backlog = backlog ?? configuration.backlog
        sockets.apply(to: &configuration)
        configuration.splice = splice ?? configuration.splice
        datagrams.apply(to: &configuration)
        if let busyPoll { configuration.busyPoll = busyPoll.value }
        return configuration
    }

    private func chosenModel() throws -> EchoServer.IOModel? {
        guard let backend else { return model }
        guard let model else { return backend.defaultModel }
        guard model.backend == backend else {
            throw ValidationError(
                "--model \(model.rawValue) belongs to --backend \(model.backend.rawValue), "
                    + "not to \(backend.rawValue)"
            )
        }
        return model
    }
}
