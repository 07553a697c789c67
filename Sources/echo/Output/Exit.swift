import ArgumentParser
import EchoClient
import EchoServer
import EchoSockets

/// Exit codes, with their names in sysexits.h, and the one line that goes with each.
enum Exit {
    /// A check failed, or an answer was wrong.
    static let failed: Int32 = 1
    /// An unknown flag, a bad value, flags that contradict each other (`EX_USAGE`).
    static let usage: Int32 = 64
    /// The server's host name has no address (`EX_NOHOST`).
    static let unknownHost: Int32 = 68
    /// Cannot serve or connect there (`EX_UNAVAILABLE`).
    static let unavailable: Int32 = 69
    /// A thread hung, and the process ended without it (`EX_SOFTWARE`).
    static let hanging: Int32 = 70
    /// Another operating system error (`EX_OSERR`).
    static let system: Int32 = 71
    /// The connection was reset, or broke in another way (`EX_IOERR`).
    static let reset: Int32 = 74
    /// The server did not answer in time, and may do so another time (`EX_TEMPFAIL`).
    static let late: Int32 = 75
    /// The server ended the connection before everything had come back (`EX_PROTOCOL`).
    static let ended: Int32 = 76
    /// Not permitted (`EX_NOPERM`).
    static let permission: Int32 = 77

    /// The exit code for a failure of a command, or of understanding its flags.
    static func code(
        for error: any Error,
        of command: any ParsableArguments.Type
    ) -> Int32 {
        switch error {
        case let failure as EchoServer.Failure: code(for: failure.code)
        case let failure as CommandError: failure.exitCode
        default: command.exitCode(for: error).rawValue
        }
    }

    /// The exit code for what went wrong between client and server, for every command that talks
    /// to one.
    static func code(for kind: FailureKind) -> Int32 {
        switch kind {
        case .unknownHost: unknownHost
        case .refused: unavailable
        case .denied: permission
        case .late: late
        case .reset: reset
        case .ended: ended
        case .wrong: failed
        case .local: system
        }
    }

    private static func code(for code: EchoServer.Failure.Code) -> Int32 {
        switch code {
        case .invalidEndpoint, .invalidConfiguration: usage
        case .addressInUse, .addressUnavailable, .unknownHost, .unusableSocket:
            unavailable
        case .permissionDenied: permission
        default: system
        }
    }

    /// The one line that says what was wrong.
    static func message(
        for error: any Error,
        of command: any ParsableArguments.Type
    ) -> String {
        let text =
            switch error {
            case let failure as EchoServer.Failure: failure.message
            case let failure as CommandError: failure.message
            default: command.message(for: error)
            }
        // Messages of the argument parser may have several lines; line ends in an argument are
        // shown escaped.
        let isQuoted = ProcessArguments.all.contains { $0.contains(where: \.isNewline) }
        let line = isQuoted ? text : text.split(whereSeparator: \.isNewline).joined(separator: " ")
        return line.escapedForLog
    }
}

/// A failure of a command, with its exit code.
struct CommandError: Error {
    let exitCode: Int32
    let message: String
}

extension CommandError {
    /// The failure of a command that could not connect.
    init(_ error: ConnectError) {
        self.init(exitCode: Exit.code(for: error.kind), message: "\(error)")
    }
}
