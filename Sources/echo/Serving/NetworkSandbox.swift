import EchoServer
import EchoSockets
import Glibc
import Logging

/// Detects a unit that gives its service no network, as the installed ones do (`PrivateNetwork=`,
/// `RestrictAddressFamilies=`, systemd.exec(5)).
///
/// Such a service cannot listen on TCP itself, or no client can connect there.
enum NetworkSandbox {
    /// What the network would be for.
    enum Purpose {
        case listening
        case metrics

        /// What to change.
        fileprivate var advice: String {
            let reason =
                "this service has no network "
                + "(PrivateNetwork= or RestrictAddressFamilies= of its unit)"
            return switch self {
            case .listening:
                "\(reason): put the address into its socket unit instead, as ListenStream=, with "
                    + "'systemctl edit echo-server.socket'"
            case .metrics:
                "\(reason): leave the metrics on the Unix socket, and bring them to a port with "
                    + "'systemctl enable --now echo-server-metrics.socket'"
            }
        }
    }

    /// Runs `body`, and adds advice to its failure if the unit is the cause.
    static func explaining<Result>(
        _ purpose: Purpose,
        _ body: () throws -> Result
    ) throws -> Result {
        do {
            return try body()
        } catch let failure as EchoServer.Failure {
            let isOfNetwork = [.addressUnavailable, .unknownHost, .system].contains(failure.code)
            guard isOfNetwork, !failure.message.contains(" unix:"), isClosed else { throw failure }
            throw EchoServer.Failure(
                failure.code,
                "\(failure.message): \(purpose.advice)",
                errno: failure.errorNumber.map { Errno(rawValue: $0) }
            )
        }
    }

    /// Logs advice about endpoints that no client can reach.
    static func warn(
        _ logger: Logger,
        about endpoints: [EchoServer.Endpoint],
        _ purpose: Purpose
    ) {
        let unreachable = endpoints.filter { $0.path == nil }
        guard !unreachable.isEmpty, isClosed else { return }
        let names = unreachable.map { "\($0)" }.joined(separator: ", ")
        logger.warning("nobody can connect: \(purpose.advice)", metadata: ["endpoint": "\(names)"])
    }

    // The service manager sets this variable for each run of a service.
    private static var isClosed: Bool {
        guard unsafe getenv("INVOCATION_ID") != nil else { return false }
        return ![AF_INET, AF_INET6].contains(where: hasFamily) || hasLoopbackOnly
    }

    private static func hasFamily(_ family: CInt) -> Bool {
        let number = socket(family, CInt(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        guard number >= 0 else { return errno != EAFNOSUPPORT }
        close(number)
        return true
    }

    // Two lines of headings, and one for each interface.
    private static var hasLoopbackOnly: Bool {
        guard let text = KernelFile.text("/proc/self/net/dev") else { return false }
        let lines = text.split(separator: "\n")
        return lines.dropFirst(2).allSatisfy { line in
            line.split(separator: ":").first?.split(separator: " ").last == "lo"
        }
    }
}
