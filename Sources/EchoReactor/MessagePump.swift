/// Takes messages one by one, and runs the loop when there is none: the `GetMessage` of a thread.
///
/// Confined to its loop's thread; not Sendable.
package final class MessagePump {
    /// The loop that makes the messages.
    package let loop: EventLoop
    /// The queue in which they wait.
    package let queue = MessageQueue()

    private var isQuitting = false

    /// A pump for a loop, with a queue of its own.
    package init(_ loop: EventLoop) {
        self.loop = loop
    }

    /// Returns the next message, and waits for one if necessary.
    ///
    /// The corresponding Win32 function is `GetMessage`.
    ///
    /// A turn of the loop, one `epoll_wait`, runs only when the queue is empty.
    ///
    /// - Returns: `nil` after a quit, once every message that was queued has been taken.
    package func next() -> NetworkMessage? {
        while true {
            if let message = queue.pop() { return message }
            if isQuitting { return nil }
            loop.turn(waitingAtMost: nil)
        }
    }

    /// Makes ``next()`` end when the queue is empty.
    ///
    /// The corresponding Win32 function is `PostQuitMessage`.
    package func postQuit() {
        isQuitting = true
    }
}

@available(*, unavailable)
extension MessagePump: Sendable {}
