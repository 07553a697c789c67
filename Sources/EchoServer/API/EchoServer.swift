/// An echo server (RFC 862): what a client sends comes back unchanged.
///
/// One type for every classic server I/O model; ``Configuration/model`` selects it. A server is
/// started once: by ``start()``, which returns when connections are accepted, or by ``run()``,
/// which returns when serving has ended. It serves on threads of its own, never on Swift's
/// cooperative pool.
///
/// ```swift
/// let server = try EchoServer(configuration: .init(listen: [.tcp("127.0.0.1", port: 0)]))
/// print("listening on", try server.start())
/// await server.shutdown()
/// ```
///
/// All members may be used from any thread or task. A server that is released without a shutdown
/// closes all its connections at once.
public final class EchoServer: Sendable {
    /// What does the work; only the public face knows its type.
    let runtime: any ServerRuntime

    /// A server in front of what does the work.
    init(runtime: any ServerRuntime) {
        self.runtime = runtime
    }

    deinit {
        runtime.abandon()
    }
}

/// What runs behind an ``EchoServer``, as far as that type itself needs to know it.
///
/// The other public types are nested in it, so that it refers to none of them.
protocol ServerRuntime: AnyObject, Sendable {
    /// The server has been released: nothing can shut it down any more.
    func abandon()
}
