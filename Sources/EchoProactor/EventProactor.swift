package import EchoSockets
import Glibc

/// Indicates completions by events: overlapped I/O with event notification (OV-1 to OV-14).
///
/// An operation's ``Operation/event`` is reset when it is posted and set when it completes (OV-2).
/// A thread waits for up to 64 events at once and carries out the transfers while it waits; more
/// sockets take more threads, each with an `EventProactor` of its own. If several threads wait on
/// one, one of them drives epoll(7) and the others sleep.
package class EventProactor: SocketProactor, @unchecked Sendable {
    // All guarded by the monitor.
    private final var events = EventTable()
    private final var isDriving = false
    private final var sleepers = 0
    private final var servedSincePoll = 0

    private final let changed = Condition()
    private final let edges = EdgeBuffer()

    /// Opens a proactor.
    ///
    /// - Parameter receiveBufferSize: bytes of the buffers that receives without one borrow.
    /// - Throws: what `epoll_create1` or `eventfd` gave.
    override package init(receiveBufferSize: Int = 64 * 1024) throws(SystemError) {
        try super.init(receiveBufferSize: receiveBufferSize)
    }

    // MARK: Events

    /// Makes an event.
    ///
    /// The corresponding Winsock functions are `WSACreateEvent` and, for automatic ones,
    /// `CreateEvent` (ES-2).
    ///
    /// - Parameters:
    ///   - isAutomatic: whether the wait that it satisfies resets it.
    ///   - isSignalled: whether it is signalled from the start.
    /// - Returns: the event, which lives until it is closed.
    package final func makeEvent(
        isAutomatic: Bool = false,
        isSignalled: Bool = false
    )
        -> OverlappedEvent
    {
        monitor.withLock { events.insert(isAutomatic: isAutomatic, isSignalled: isSignalled) }
    }

    /// Signals an event.
    ///
    /// The corresponding Winsock function is `WSASetEvent`. Any thread.
    ///
    /// - Returns: whether it is open.
    @discardableResult
    package final func set(_ event: OverlappedEvent) -> Bool {
        monitor.lock()
        let isOpen = events.set(event, true)
        unlockAndTell()
        return isOpen
    }

    /// Makes an event unsignalled.
    ///
    /// The corresponding Winsock function is `WSAResetEvent`.
    ///
    /// - Returns: whether it is open.
    @discardableResult
    package final func reset(_ event: OverlappedEvent) -> Bool {
        monitor.withLock { events.set(event, false) }
    }

    /// Whether an event is signalled; the same as a wait without time, but carries nothing out.
    package final func isSignalled(_ event: OverlappedEvent) -> Bool {
        monitor.withLock { events.isSignalled(event) }
    }

    /// Closes an event; who waits for it learns of it.
    ///
    /// The corresponding Winsock function is `WSACloseEvent`.
    ///
    /// - Returns: whether it was open.
    @discardableResult
    package final func close(_ event: OverlappedEvent) -> Bool {
        monitor.lock()
        let wasOpen = events.remove(event)
        unlockAndTell()
        return wasOpen
    }

    // MARK: Indicating

    override func deliver(_ packet: Packet) {
        monitor.lock()
        if let event = packet.operation?.event { _ = events.set(event, true) }
        unlockAndTell()
        packet.release()
    }

    override final func enqueueTurn(_ turn: Packet) {
        monitor.lock()
        queue.append(turn)
        unlockAndTell()
    }

    override func prepare(_ operation: Operation) -> Errno? {
        if operation.routine != nil { return Errno(rawValue: EINVAL) }
        if let event = operation.event { reset(event) }
        return nil
    }

    /// Leaves the monitor, and tells every thread that waits that something has changed.
    ///
    /// Threads sleep only while another drives, and that one wakes them when it stops.
    final func unlockAndTell() {
        let wakes = isDriving
        monitor.unlock()
        if wakes { epoll.wake() }
    }

    // MARK: Waiting

    /// Waits until one of the events, or all, are signalled.
    ///
    /// The corresponding Winsock function is `WSAWaitForMultipleEvents`.
    ///
    /// The lowest index wins, every time: a busy event starves those behind it unless the caller
    /// looks at these as well (ES-9, PF-15).
    ///
    /// - Parameters:
    ///   - awaited: 1 to 64 events of this proactor.
    ///   - all: whether all must be signalled; nothing is reset until they are (ES-10).
    ///   - timeout: how long to wait; `nil` for ever, zero not at all.
    ///   - alertable: whether completion routines run meanwhile; ``AlertableThread`` only.
    /// - Returns: what ended the wait.
    package final func wait(
        for awaited: [OverlappedEvent],
        all: Bool = false,
        timeout: Duration? = nil,
        alertable: Bool = false
    ) -> EventWaitOutcome {
        guard !awaited.isEmpty, awaited.count <= EventTable.waitLimit,
            !all || Set(awaited).count == awaited.count
        else { return .invalidParameter }
        return wait(awaited, all: all, until: Deadline(after: timeout), alertable: alertable)
    }

    final func wait(
        _ awaited: [OverlappedEvent],
        all: Bool,
        until deadline: Deadline,
        alertable: Bool
    ) -> EventWaitOutcome {
        guard !alertable || isOwnThread else { return .invalidParameter }
        var hasLooked = false
        monitor.lock()
        while true {
            // Events before routines (CR-4).
            if !awaited.isEmpty, let outcome = events.satisfy(awaited, all: all) {
                monitor.unlock()
                return outcome
            }
            if alertable, hasRoutines {
                monitor.unlock()
                runRoutines()
                return .routinesRan
            }
            if hasLooked, queue.isEmpty, deadline.hasPassed {
                monitor.unlock()
                return .timedOut
            }
            hasLooked = advance(until: deadline) || hasLooked
            monitor.lock()
        }
    }

    /// How an operation ended.
    ///
    /// The corresponding Winsock function is `WSAGetOverlappedResult`.
    ///
    /// - Parameters:
    ///   - operation: posted on a socket of this proactor.
    ///   - waiting: whether to wait for its end; not for one with a completion routine (OV-3).
    /// - Returns: how it stands by then.
    package final func result(of operation: Operation, waiting: Bool = false) -> OperationResult {
        guard waiting else { return operation.result }
        guard operation.routine == nil else { return .invalid }
        monitor.lock()
        while operation.isPending {
            _ = advance(until: .never)
            monitor.lock()
        }
        monitor.unlock()
        return operation.result
    }

    /// Does one thing that may lead on: gives a socket its turn, or waits for edges, or for the
    /// thread that does.
    ///
    /// Entered with the monitor, left without.
    ///
    /// - Returns: whether it has looked for edges.
    final func advance(until deadline: Deadline) -> Bool {
        let isPollDue = servedSincePoll >= EdgeBuffer.capacity && !isDriving
        if !isPollDue, let turn = queue.removeFirst() {
            servedSincePoll += 1
            monitor.unlock()
            var lendingNothing = Turn.lendingNothing
            serve(turn, &lendingNothing)
            return false
        }
        if isDriving {
            sleepers += 1
            changed.wait(monitor, until: deadline)
            sleepers -= 1
            monitor.unlock()
            return true
        }
        drive(until: queue.isEmpty ? deadline : .now)
        return true
    }

    private final func drive(until deadline: Deadline) {
        isDriving = true
        monitor.unlock()
        let isBehind = closing.beginTurn()
        let count = epoll.wait(edges, milliseconds: isBehind ? 0 : deadline.milliseconds)
        monitor.lock()
        isDriving = false
        servedSincePoll = 0
        for index in 0..<count {
            let (word, readiness) = edges[index]
            guard word != Epoll.wakeWord else { continue }
            queue.append(Packet(turnOf: SocketHandle(word: word), readiness: readiness))
        }
        if sleepers > 0 { changed.broadcast() }
        monitor.unlock()
    }

    /// How many threads wait, or carry transfers out while they wait.
    package final var waitingCount: Int {
        monitor.withLock { sleepers + (isDriving ? 1 : 0) }
    }

    // MARK: For AlertableThread

    /// Whether routines wait to run.
    ///
    /// Under the monitor.
    var hasRoutines: Bool { false }

    /// Whether the calling thread may run them.
    var isOwnThread: Bool { false }

    /// Runs them all (CR-3).
    func runRoutines() {}
}
