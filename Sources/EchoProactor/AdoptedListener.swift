import EchoSockets
import Glibc

/// A listening socket of a completion port, and what its last accept has brought.
final class AdoptedListener: AdoptedSource {
    private let listener: Listener
    private var brought: AcceptOutcome?

    init(_ listener: consuming Listener) {
        self.listener = listener
    }

    var number: CInt { listener.number }

    /// Whether a connection is queued, or has been brought.
    override var hasQueue: Bool {
        switch brought {
        case .some: true
        case .none: listener.hasQueue
        }
    }

    /// Accepts one connection, and keeps what came of it until it is taken.
    override func bring(_ state: inout SocketState) -> Int? {
        let outcome = listener.accept()
        let number: CInt
        switch outcome {
        case .accepted: number = 0
        case .nothing:
            state.noteReceiveWouldBlock()
            return nil
        case .lost(let errno): number = errno.rawValue
        case .exhausted(let errno): number = errno.rawValue
        case .failed(let errno): number = errno.rawValue
        }
        brought = consume outcome
        return -Int(number)
    }

    /// Takes what was brought, or else what is queued.
    override func next() -> AcceptOutcome {
        brought.take() ?? listener.accept()
    }
}
