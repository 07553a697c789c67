package import EchoProactor
package import EchoSockets
import Glibc
import Synchronization

/// Ends a client's loop from any thread.
package final class ClientStop: Sendable {
    private let stopped = Atomic(false)
    private let loop = Locked<OverlappedLoop?>(nil)

    /// A loop that goes on.
    package init() {}

    /// Whether the loop is to end.
    package var isStopped: Bool { stopped.load(ordering: .acquiring) }

    /// Has the loop end.
    package func stop() {
        stopped.store(true, ordering: .releasing)
        wake()
    }

    /// Has the loop's thread look for what other threads have left for it.
    package func wake() {
        loop.withLock { $0?.queue {} }
    }

    fileprivate func attach(_ loop: OverlappedLoop?) {
        self.loop.withLock { $0 = loop }
    }
}

/// The loop of a thread that is a client: its connections, moments to wait for, and memory for what
/// is sent.
///
/// Belongs to the thread that makes it.
@safe package final class ClientLoop {
    /// The engine.
    package let loop: OverlappedLoop
    /// Memory for bytes on their way to a send.
    package let room: UnsafeMutableRawBufferPointer
    private let stop: ClientStop

    /// A loop that ends when it is told to.
    ///
    /// - Parameters:
    ///   - stop: what tells it.
    ///   - polling: whether it polls before it sleeps.
    /// - Throws: what `epoll_create1` or `eventfd` gave.
    package init(
        _ stop: ClientStop = ClientStop(),
        polling: BusyPolling = .off
    ) throws(SystemError) {
        loop = try OverlappedLoop(polling: polling)
        self.stop = stop
        unsafe room = .allocate(byteCount: 64 * 1024, alignment: 64)
        // Timers of this thread end when they are due, not up to 50 µs later.
        Thread.setTimerSlack(nanoseconds: 1)
        stop.attach(loop)
    }

    deinit {
        stop.attach(nil)
        unsafe room.deallocate()
    }

    /// Whether the loop has been told to end.
    package var isStopped: Bool { stop.isStopped }

    /// Serves the connections until something is over, or the loop is told to end.
    ///
    /// - Parameters:
    ///   - end: the moment to give up.
    ///   - condition: whether it is over; asked after each turn.
    package func run(until end: MonotonicTime? = nil, _ condition: () -> Bool) {
        while !isStopped, !condition() {
            let left = end.map { $0 - .now }
            if let left, left <= .zero { return }
            _ = loop.sleep(for: left, alertable: true)
        }
    }

    /// Has a body run at a moment, on this thread; see ``OverlappedLoop/wait(_:until:)``.
    ///
    /// - Returns: the operation that waits, to be cancelled or used again.
    @discardableResult
    package func at(_ moment: MonotonicTime, _ body: @escaping () -> Void) -> EchoProactor.Operation
    {
        let timer = EchoProactor.Operation()
        timer.routine = { error, _, _ in
            if error == nil { body() }
        }
        loop.wait(timer, until: moment)
        return timer
    }
}
