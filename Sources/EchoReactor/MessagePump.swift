import EchoSockets
import Synchronization

/// Takes messages one by one, and runs the loop when there is none: the `GetMessage` of a thread.
///
/// Confined to its loop's thread; not Sendable. Other threads hold its ``poster``.
package final class MessagePump {
    /// The loop that makes the messages.
    package let loop: EventLoop
    /// Where they wait.
    package let queue: MessageQueue
    /// Lets other threads post.
    package let poster: MessagePoster

    private var isQuitting = false

    /// A pump for a loop, with a queue of its own unless one is given.
    package init(_ loop: EventLoop, queue: MessageQueue = MessageQueue()) {
        self.loop = loop
        self.queue = queue
        poster = MessagePoster(loop.waker)
    }

    /// The next message; waits for one.
    ///
    /// The corresponding Win32 function is `GetMessage`.
    ///
    /// A turn of the loop, one `epoll_wait`, runs only when the queue is empty.
    ///
    /// - Returns: `nil` after a quit, once every message that was queued has been taken.
    package func next() -> Message? {
        while true {
            if poster.hasMail { takeMail() }
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

    private func takeMail() {
        let (messages, quits) = poster.take()
        for message in messages { queue.post(.application(message)) }
        if quits { isQuitting = true }
    }
}

@available(*, unavailable)
extension MessagePump: Sendable {}

/// Posts into a ``MessagePump`` from any thread.
package final class MessagePoster: Sendable {
    private struct Inbox {
        var messages: [ApplicationMessage] = []
        var quits = false
    }

    private let inbox = Locked(Inbox())
    private let mail = Atomic<Bool>(false)
    private let waker: LoopWaker

    init(_ waker: LoopWaker) {
        self.waker = waker
    }

    /// Posts a message.
    ///
    /// The corresponding Win32 function is `PostThreadMessage`.
    package func post(_ message: ApplicationMessage) {
        inbox.withLock { $0.messages.append(message) }
        announce()
    }

    /// Makes the pump's `next` end when its queue is empty.
    package func postQuit() {
        inbox.withLock { $0.quits = true }
        announce()
    }

    private func announce() {
        mail.store(true, ordering: .releasing)
        waker.wake()
    }

    var hasMail: Bool { mail.load(ordering: .acquiring) }

    // The flag first: mail that comes after it sets it again.
    func take() -> ([ApplicationMessage], quits: Bool) {
        mail.store(false, ordering: .releasing)
        return inbox.withLock { inbox in
            defer { inbox = Inbox() }
            return (inbox.messages, inbox.quits)
        }
    }
}
