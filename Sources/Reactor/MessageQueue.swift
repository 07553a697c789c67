/// First in, first out: the messages of one thread. Confined to it; not Sendable.
///
/// Sockets post into it (``SelectableSocket/select(_:postingTo:)``), a ``MessagePump`` takes from it.
package final class MessageQueue {
    // A ring whose size is a power of two. Free places hold old messages: they own nothing.
    private var ring: ContiguousArray<Message>
    private var head = 0

    /// How many messages are queued.
    package private(set) var count = 0

    /// An empty queue.
    ///
    /// - Parameter capacity: for how many messages there is room before it grows.
    package init(capacity: Int = 256) {
        var size = 8
        while size < capacity { size *= 2 }
        ring = Self.room(size)
    }

    private static func room(_ size: Int) -> ContiguousArray<Message> {
        ContiguousArray(repeating: .application(ApplicationMessage(code: 0)), count: size)
    }

    /// Whether there is no message.
    package var isEmpty: Bool { count == 0 }

    /// Puts a message at the end. On the queue's thread; from others use a ``MessagePoster``.
    package func post(_ message: Message) {
        if count == ring.count { grow() }
        ring[(head + count) & (ring.count - 1)] = message
        count += 1
    }

    /// Takes the first message, `nil` if there is none. The corresponding Win32 function is
    /// `PeekMessage` with `PM_REMOVE`.
    package func pop() -> Message? {
        guard count > 0 else { return nil }
        let message = ring[head]
        head = (head + 1) & (ring.count - 1)
        count -= 1
        return message
    }

    private func grow() {
        var larger = Self.room(ring.count * 2)
        for index in 0..<count { larger[index] = ring[(head + index) & (ring.count - 1)] }
        ring = larger
        head = 0
    }
}

@available(*, unavailable)
extension MessageQueue: Sendable {}
