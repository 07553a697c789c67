package import EchoSockets
import Glibc

/// What a ``LineClient`` exchanged, and how it ended.
package struct LineResult: Hashable, Sendable {
    /// Why it ended before the end of the input.
    package enum Interruption: Hashable, Sendable {
        /// No process reads the output any more (`EPIPE`).
        case outputClosed
        /// Writing the output failed for another reason.
        case outputFailed(Errno)
        /// Reading the input failed.
        case inputFailed(Errno)
        /// The kernel does not send to that address.
        case sendingFailed(Errno)
    }

    /// Lines that were read, those that were too long included.
    package var lines = 0
    /// Lines whose answer came in time, and from the address that was asked.
    package var answered = 0
    /// Lines whose answer did not come in time.
    package var late = 0
    /// Lines that the network or the server's host refused.
    package var refused = 0
    /// Answers with other bytes than were sent, if they were compared, and datagrams that answer
    /// nothing.
    package var wrong = 0
    /// Lines that another address answered.
    package var misplaced = 0
    /// Lines that were not sent because they were too long.
    package var tooLong = 0
    /// Why it ended early; `nil` if it came to the end of the input.
    package var interruption: Interruption?

    /// Nothing yet.
    package init() {}

    /// What went wrong, the worst first; `nil` on success, or if lines were only too long.
    package var kind: FailureKind? {
        switch interruption {
        case .sendingFailed(let error) where [EACCES, EPERM].contains(error.rawValue): .denied
        case .some: .local
        case nil where wrong + misplaced > 0: .wrong
        case nil where refused > 0: .refused
        case nil where late > 0: .late
        case nil: nil
        }
    }

    /// One line that says what went wrong; `nil` on success.
    package var failure: String? {
        switch interruption {
        case .outputClosed: return "no one reads the output any more"
        case .outputFailed(let error): return "cannot write the output: \(error)"
        case .inputFailed(let error): return "cannot read the input: \(error)"
        case .sendingFailed(let error): return "cannot send: \(error)"
        case nil: break
        }
        let counts = [
            (late + refused, "did not come back"), (misplaced, "came back from another address"),
            (tooLong, "were not sent"),
        ]
        var parts = counts.filter { $0.0 > 0 }.map { "\($0) of \(counted(lines, "line")) \($1)" }
        if wrong > 0 { parts.append("\(counted(wrong, "answer")) wrong") }
        return parts.isEmpty ? nil : parts.joined(separator: "; ")
    }
}
