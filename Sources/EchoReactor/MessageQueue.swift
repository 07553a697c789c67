import EchoWinsock

/// First in, first out: the messages of one thread.
///
/// Sockets post into it (``SelectableSocket/select(_:postingTo:)``), a ``MessagePump`` takes from it.
/// Confined to one thread; not Sendable.
@safe
package final class MessageQueue {
    // A ring whose size is a power of two. A message owns nothing, so that a free place may hold an
    // old one.
    private var ring: UnsafeMutablePointer<Message>
    private var mask: Int
    private var head = 0
    private var length = 0

    /// An empty queue.
    ///
    /// - Parameter capacity: for how many messages there is room before it grows.
    package init(capacity: Int = 256) {
        var size = 8
        while size < capacity { size *= 2 }
        unsafe ring = .allocate(capacity: size)
        mask = size - 1
    }

    deinit {
        unsafe ring.deallocate()
    }

    /// How many messages are queued.
    package var count: Int { length }

    /// Whether there is no message.
    package var isEmpty: Bool { length == 0 }

    /// Puts a message at the end.
    ///
    /// On the queue's thread; from others use a ``MessagePoster``.
    package func post(_ message: Message) {
        if length > mask { grow() }
        unsafe (ring + ((head + length) & mask)).initialize(to: message)
        length += 1
    }

    /// Takes the first message, `nil` if there is none.
    ///
    /// The corresponding Win32 function is `PeekMessage` with `PM_REMOVE`.
    package func pop() -> Message? {
        guard length > 0 else { return nil }
        let message = unsafe ring[head]
        head = (head + 1) & mask
        length -= 1
        return message
    }

    private func grow() {
        let size = mask + 1
        let larger = UnsafeMutablePointer<Message>.allocate(capacity: size * 2)
        for index in 0..<length {
            unsafe (larger + index).initialize(to: ring[(head + index) & mask])
        }
        unsafe ring.deallocate()
        unsafe ring = larger
        mask = size * 2 - 1
        head = 0
    }
}

@available(*, unavailable)
extension MessageQueue: Sendable {}
