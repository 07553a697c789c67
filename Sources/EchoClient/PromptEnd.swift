package import EchoSockets

/// How a ``Prompt`` ended.
package enum PromptEnd: Hashable, Sendable {
    /// The input ended (^D).
    case inputEnded
    /// The server ended the connection.
    case serverEnded
    /// The connection broke, usually because the server reset it.
    case connectionLost(Errno)
    /// The server sent bytes that it had not been sent.
    case surplus
    /// Nothing came for the time limit while the server owed a number of bytes.
    case timedOut(missing: Int)
    /// Reading the input or writing the output failed.
    case terminalFailed(Errno)

    /// Whether the terminal failed, not the server or the connection.
    package var isOwnFailure: Bool {
        guard case .terminalFailed = self else { return false }
        return true
    }

    /// One line that says what went wrong; `nil` on success.
    package var failure: String? {
        switch self {
        case .inputEnded: nil
        case .serverEnded: "the server ended the connection"
        case .connectionLost(let error): "the connection was lost: \(error)"
        case .surplus: "the server sent more bytes than it was sent"
        case .timedOut(let missing):
            "the server did not answer in time; \(missing) bytes did not come back"
        case .terminalFailed(let error): "the terminal failed: \(error)"
        }
    }
}
