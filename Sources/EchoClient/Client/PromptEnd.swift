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
    /// The server sent bytes before anything had been sent to it.
    case banner
    /// Nothing came for the time limit while the server owed a number of bytes.
    case timedOut(missing: Int)
    /// Reading the input or writing the output failed.
    case terminalFailed(Errno)
}

/// The result of a ``Prompt``.
package struct PromptResult: Hashable, Sendable {
    /// How it ended.
    package let end: PromptEnd
    /// The first difference between a line and its answer, if they were compared.
    package let difference: ByteDifference?

    /// What went wrong first; `nil` on success.
    package var kind: FailureKind? { difference == nil ? end.kind : .wrong }

    /// Whether the terminal failed, not the server or the connection.
    package var isOwnFailure: Bool { kind == .local }

    /// One line that says what went wrong; `nil` on success.
    package var failure: String? {
        guard let difference else { return end.failure }
        let fault = "an answer \(difference)"
        return end.failure.map { "\(fault); then \($0)" } ?? fault
    }
}

extension PromptEnd {
    fileprivate var kind: FailureKind? {
        switch self {
        case .inputEnded: nil
        case .serverEnded: .ended
        case .connectionLost(let error): FailureKind(connectionLost: error)
        case .surplus, .banner: .wrong
        case .timedOut: .late
        case .terminalFailed: .local
        }
    }

    fileprivate var failure: String? {
        switch self {
        case .inputEnded: nil
        case .serverEnded: "the server ended the connection"
        case .connectionLost(let error): "the connection was lost: \(error)"
        case .surplus: "the server sent more bytes than it was sent"
        case .banner: "the server sent bytes before anything was sent to it"
        case .timedOut(let missing):
            "the server did not answer in time; \(missing) bytes did not come back"
        case .terminalFailed(let error): "the terminal failed: \(error)"
        }
    }
}
