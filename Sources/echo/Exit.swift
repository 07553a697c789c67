import ArgumentParser
import EchoServer
import EchoSockets
import Glibc

/// Exit codes, with their names in sysexits.h, and the one line that goes with each.
enum Exit {
    /// An unknown flag, a bad value, flags that contradict each other (`EX_USAGE`).
    static let usage: Int32 = 64
    /// Cannot serve or connect there (`EX_UNAVAILABLE`).
    static let unavailable: Int32 = 69
    /// A thread hung, and the process ended without it (`EX_SOFTWARE`).
    static let hanging: Int32 = 70
    /// Another operating system error (`EX_OSERR`).
    static let system: Int32 = 71
    /// Not permitted (`EX_NOPERM`).
    static let permission: Int32 = 77

    /// Ends the process: prints help, or one line that says what was wrong.
    static func end(with error: any Error) -> Never {
        // The reader of what follows may be slow.
        Signals.endCommand()
        let code = code(for: error)
        if code == 0 {
            let text =
                Completions.isRequested
                ? Completions.script(for: error) : Layout.plain(Echo.fullMessage(for: error))
            do throws(CommandError) {
                try Output.print(text + "\n")
            } catch {
                end(with: error)
            }
        } else if !(error is ExitCode) {
            StandardError.write(StandardError.format.failure(message(for: error)))
        }
        StandardError.flush()
        exit(code)
    }

    static func code(for error: any Error) -> Int32 {
        switch error {
        case let failure as EchoServer.Failure: code(for: failure.code)
        case let failure as CommandError: failure.exitCode
        default: Echo.exitCode(for: error).rawValue
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

    static func message(for error: any Error) -> String {
        let text =
            switch error {
            case let failure as EchoServer.Failure: failure.message
            case let failure as CommandError: failure.message
            default: Echo.message(for: error)
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

/// Writes without buffering.
enum Output {
    /// Writes a text to standard output, as the command's only result.
    ///
    /// - Parameter text: the text, with the ends of its lines.
    /// - Throws: `CommandError` if standard output is closed or full, or has no reader.
    static func print(_ text: String) throws(CommandError) {
        guard let error = write(text, to: STDOUT_FILENO) else { return }
        throw CommandError(exitCode: Exit.system, message: "cannot write the output: \(error)")
    }

    /// Writes a text to standard output if possible; a failure is no reason to stop serving.
    static func write(_ text: String) {
        _ = write(text, to: STDOUT_FILENO)
    }

    private static func write(_ text: String, to descriptor: CInt) -> Errno? {
        var text = text
        return text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while rest.count > 0 {
                let count = unsafe Glibc.write(descriptor, rest.baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return Errno.current }
                unsafe rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
            return nil
        }
    }

    /// Writes as much of a text as a pipe, a terminal or a socket takes within a time.
    static func write(_ text: String, to descriptor: CInt, within limit: Duration) {
        let end = MonotonicTime.now + limit
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            guard unsafe poll(&entry, 1, (end - .now).millisecondsRoundedUp) > 0 else { return }
            // A writable pipe takes this much at once, pipe(7).
            let count = transferCall {
                unsafe rest.prefix(4096).withUnsafeBytes { bytes in
                    unsafe Glibc.write(descriptor, bytes.baseAddress, bytes.count)
                }
            }
            guard count > 0 || count == -Int(EAGAIN) else { return }
            rest = rest.dropFirst(max(0, count))
        }
    }
}
