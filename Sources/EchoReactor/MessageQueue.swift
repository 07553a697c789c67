import EchoWinsock

/// First in, first out: the messages of one thread.
///
/// Sockets post into it (``SelectableSocket/select(_:postingTo:)``), a ``MessagePump`` takes from
/// it. Confined to one thread; not Sendable.
package final class MessageQueue {
    // Of one thread, and no call from within a call: no run-time check.
    @exclusivity(unchecked) private var messages: Ring<NetworkMessage>

    /// An empty queue.
    ///
    /// - Parameter capacity: room for this many messages before it grows.
    package init(capacity: Int = 256) {
        unsafe messages = Ring(capacity: capacity)
    }

    /// How many messages are queued.
    package var count: Int { unsafe messages.count }

    /// Whether there is no message.
    package var isEmpty: Bool { unsafe messages.isEmpty }

    /// Puts a message at the end.
    func post(_ message: NetworkMessage) {
        unsafe messages.append(message)
    }

    /// Takes the first message, `nil` if there is none.
    ///
    /// The corresponding Win32 function is `PeekMessage` with `PM_REMOVE`.
    package func pop() -> NetworkMessage? {
        unsafe messages.popFirst()
    }
}

@available(*, unavailable)
extension MessageQueue: Sendable {}
