package import EchoSockets

/// What a ``Filter`` moved, and how it ended.
package struct FilterResult: Hashable, Sendable {
    /// How it ended.
    package enum End: Hashable, Sendable {
        /// All bytes came back, then the server's end of stream.
        case complete
        /// The server ended the connection while it owed a number of bytes, or before the input
        /// ended.
        case endedEarly(missing: Int)
        /// The server sent more bytes than it was sent.
        case surplus(Int)
        /// There was no progress for the time limit while the server owed a number of bytes, or its
        /// end of stream.
        case timedOut(missing: Int)
        /// The connection broke, usually because the server reset it.
        case connectionLost(Errno)
        /// No process reads the output any more (`EPIPE`).
        case outputClosed
        /// Writing the output failed for another reason.
        case outputFailed(Errno)
        /// Reading the input failed.
        case inputFailed(Errno)
    }

    /// Bytes sent to the server.
    package var sent: Int
    /// Bytes that came back.
    package var received: Int
    /// How it ended.
    package var end: End
    /// The first bytes that were not those expected; `nil` if there were none, or if they were not
    /// compared.
    package var fault: AnswerFault?

    /// A result; by default no bytes and no error.
    package init(
        sent: Int = 0,
        received: Int = 0,
        end: End = .complete,
        fault: AnswerFault? = nil
    ) {
        self.sent = sent
        self.received = received
        self.end = end
        self.fault = fault
    }

    /// What went wrong first; `nil` on success.
    package var kind: FailureKind? { fault == nil ? end.kind : .wrong }

    /// Whether the input or output on this side failed, not the server or the connection.
    package var isOwnFailure: Bool { kind == .local }

    /// One line that says what went wrong; `nil` on success.
    package var failure: String? {
        guard let fault else { return end.failure }
        // That the lengths differ says no more than the fault does.
        if case .surplus = end { return "\(fault)" }
        return end.failure.map { "\(fault); then \($0)" } ?? "\(fault)"
    }
}

extension FilterResult.End {
    fileprivate var kind: FailureKind? {
        switch self {
        case .complete: nil
        case .endedEarly: .ended
        case .surplus: .wrong
        case .timedOut: .late
        case .connectionLost(let error): FailureKind(connectionLost: error)
        case .outputClosed, .outputFailed, .inputFailed: .local
        }
    }

    fileprivate var failure: String? {
        switch self {
        case .complete: nil
        case .endedEarly(missing: 0):
            "the server ended the connection before the end of the input"
        case .endedEarly(let missing):
            "the server ended the connection; \(missing) bytes did not come back"
        case .timedOut(let missing) where missing > 0:
            "the server did not answer in time; \(missing) bytes did not come back"
        case .timedOut: "the server did not end the connection in time"
        case .surplus(let count): "the server sent \(count) bytes more than it was sent"
        case .connectionLost(let error): "the connection was lost: \(error)"
        case .outputClosed: "no one reads the output any more"
        case .outputFailed(let error): "cannot write the output: \(error)"
        case .inputFailed(let error): "cannot read the input: \(error)"
        }
    }
}
