import EchoSockets
import EchoTestSupport
import Glibc

/// A server that does something wrong, and that a run must therefore find fault with.
enum WrongServer {
    /// Serves until it is killed.
    static func run(_ fault: String, unixPath: String) async throws {
        let behaviour: ThreadedEchoServer.Behaviour
        switch fault {
        case "corrupts": behaviour = .corrupts(at: 20_000)
        case "closes": behaviour = .closesAfter(bytes: 20_000)
        case "resets": behaviour = .resetsAfter(bytes: 20_000)
        default: throw Failed(description: "nobody does \(fault) wrongly")
        }
        // What a run sends is harmless to a server, and is not to end this one before it is found
        // out.
        signal(SIGHUP, SIG_IGN)
        let servers = [
            try ThreadedEchoServer(on: .loopback(port: 0), behaviour),
            try ThreadedEchoServer(on: .unix(unixPath), behaviour),
        ]
        // Nothing uses them any more: they would go, and their sockets with them.
        defer { withExtendedLifetime(servers) {} }
        say("listening on \(servers[0].address)\nlistening on unix:\(unixPath)")
        while true { try await letPass(.seconds(10)) }
    }
}
