import CEchoLinux
import EchoSockets
import Glibc

/// A network of its own, with a loopback interface that is up.
///
/// Gone when nobody refers to it and nothing runs in it any more. For root.
package final class NetworkNamespace: Sendable {
    // Keeps the network there while nothing else is in it.
    private let holder: RunningProcess

    /// Makes one.
    ///
    /// - Parameter addresses: what the loopback interface is to have in addition to 127.0.0.1 and
    ///   ::1, such as `10.0.0.1/32`.
    /// - Throws: why there is none.
    package init(addresses: [String] = []) async throws {
        holder = try RunningProcess(
            "/usr/bin/unshare",
            ["--net", "/bin/sh", "-c", "echo ready; exec cat"],
            input: .pipe
        )
        _ = try await holder.line { $0 == "ready" }
        try await run("ip", "link", "set", "lo", "up")
        for address in addresses { try await run("ip", "address", "add", address, "dev", "lo") }
    }

    /// What to start a program through for it to be in there.
    package var wrapper: [String] { ["/usr/bin/nsenter", "--net=\(path)"] }

    private var path: String { "/proc/\(holder.pid)/ns/net" }

    /// Runs a command in there, which must succeed.
    package func run(_ command: String...) async throws {
        let arguments =
            wrapper.dropFirst() + ["/usr/bin/env", "PATH=/usr/sbin:/sbin:/usr/bin:/bin"]
        let process = try RunningProcess(wrapper[0], arguments + command)
        let result = try await process.result()
        guard result.exit == .code(0) else {
            throw DeadlineExceeded(
                description: "\(command.joined(separator: " ")): \(result.exit), \(result.errors)"
            )
        }
    }

    /// Runs work that blocks on a thread that is in there: the sockets it opens are.
    ///
    /// - Parameters:
    ///   - limit: how long the work may take.
    ///   - work: what to run.
    /// - Returns: what the work returned.
    /// - Throws: what the work threw, or why it did not end.
    package func onThread<Result: Sendable>(
        within limit: Duration = .seconds(50),
        _ work: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        let path = path
        return try await EchoTestSupport.onThread(within: limit) {
            let namespace = Descriptor(
                adopting: try systemCall("open") { unsafe open(path, O_RDONLY | O_CLOEXEC) }
            )
            try systemCall("setns") { setns(namespace.rawValue, CLONE_NEWNET) }
            return try work()
        }
    }
}
