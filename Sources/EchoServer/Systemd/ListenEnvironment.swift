import EchoSockets
import Glibc

extension EchoServer.InheritedSocket {
    /// Takes over the sockets that the service manager has passed to this process: `LISTEN_PID`,
    /// `LISTEN_FDS` and `LISTEN_FDNAMES`, sd_listen_fds(3).
    ///
    /// The descriptors are made close-on-exec and the variables are removed, so that no program
    /// started later takes them for its own. Call it once, early: it changes the environment, which
    /// other threads must not be reading.
    ///
    /// - Returns: the sockets in the order passed; none if there are no such variables, or if they
    ///   are for another process.
    /// - Throws: ``EchoServer/Failure`` with code ``EchoServer/Failure/Code/invalidConfiguration``
    ///   if a variable is invalid, or ``EchoServer/Failure/Code/unusableSocket`` if a descriptor is
    ///   not a listening TCP or Unix stream socket.
    public static func takeFromEnvironment() throws(EchoServer.Failure)
        -> [EchoServer.InheritedSocket]
    {
        let environment = ListenEnvironment.take()
        let names = try environment.names(for: getpid())
        let numbers =
            ListenEnvironment.firstDescriptor..<ListenEnvironment.firstDescriptor
            + CInt(names.count)
        for number in numbers { _ = fcntl(number, F_SETFD, FD_CLOEXEC) }
        return try zip(numbers, names).map { number, name throws(EchoServer.Failure) in
            try EchoServer.InheritedSocket(descriptor: number, name: name)
        }
    }
}

/// The variables with which a service manager passes descriptors.
struct ListenEnvironment: Sendable {
    /// The first descriptor that is passed (`SD_LISTEN_FDS_START`).
    static let firstDescriptor: CInt = 3

    /// `LISTEN_PID`.
    var process: String?
    /// `LISTEN_FDS`.
    var count: String?
    /// `LISTEN_FDNAMES`.
    var names: String?

    /// Reads the variables and removes them.
    static func take() -> ListenEnvironment {
        ListenEnvironment(
            process: takeEnvironmentVariable("LISTEN_PID"),
            count: takeEnvironmentVariable("LISTEN_FDS"),
            names: takeEnvironmentVariable("LISTEN_FDNAMES")
        )
    }

    /// The names of the descriptors that are passed to a process, in their order.
    func names(for pid: pid_t) throws(EchoServer.Failure) -> [String] {
        guard let process, let count else { return [] }
        guard let owner = Self.number(process), owner > 0 else {
            throw invalid("LISTEN_PID is \"\(process.escapedForLog)\"; it must be a process")
        }
        guard owner == pid else { return [] }
        guard let count = Self.number(count), count <= 65_536 else {
            throw invalid(
                "LISTEN_FDS is \"\(count.escapedForLog)\"; it must be a number from 0 to 65536"
            )
        }
        guard let names, count > 0 else { return Array(repeating: "unknown", count: count) }
        let parts = names.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == count else {
            throw invalid(
                "LISTEN_FDNAMES has \(parts.count) names for the \(count) descriptors of LISTEN_FDS"
            )
        }
        return parts.map { $0.isEmpty ? "unknown" : $0 }
    }

    private func invalid(_ message: String) -> EchoServer.Failure {
        EchoServer.Failure(.invalidConfiguration, message)
    }

    // Digits only, as the service manager writes it.
    private static func number(_ text: String) -> Int? {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int(text)
    }
}

/// Reads an environment variable and removes it, so that programs started later do not see it.
///
/// Other threads must not be reading the environment. The corresponding C functions are `getenv`
/// and `unsetenv`.
func takeEnvironmentVariable(_ name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    let text = unsafe String(cString: value)
    unsafe unsetenv(name)
    return text
}
