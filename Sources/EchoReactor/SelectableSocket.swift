package import EchoSockets
package import EchoWinsock

/// What a ``NetworkSocket`` and a ``NetworkListener`` have in common: a handle, and a selection of
/// events with their destination.
///
/// Confined to its loop's thread; not Sendable. The application keeps it alive; the loop does not.
@safe
package class SelectableSocket: LoopMember {
    /// The loop that watches it.
    package final let loop: EventLoop
    /// Its name in messages: a handle of the application's own table, never the descriptor's number
    /// (CO-1).
    package final let handle: SocketHandle

    // Properties used for every byte are not visible outside, so they need no run-time checks. The
    // larger ones come first, so that there are no gaps.
    private final var target = SelectionTarget()
    final var selection: NetworkEvents = []
    // Reported and not yet re-enabled (AS-4).
    final var silenced: NetworkEvents = []
    // To be reported at the end of the loop's turn, in order (AS-9).
    private final var fresh: NetworkEvents = []
    // Reported to an event object and not yet enumerated (ES-1).
    private final var record: NetworkEvents = []
    // Changes of the host's addresses and routes to be reported once (AS-13).
    final var armed: NetworkEvents = []
    final var connectError = CompactErrno()
    final var closeError = CompactErrno()
    // Whether the last selection was for an event object, even if it has been cancelled since.
    private final var isEventMode = false
    private final var hasLeft = false

    init(_ loop: EventLoop, _ handle: SocketHandle) {
        self.loop = loop
        self.handle = handle
    }

    deinit {
        leave()
        target.release()
    }

    /// Whether ``close()`` has been called.
    package final var isClosed: Bool { hasLeft }

    /// Selects events to be posted as messages, replacing every earlier selection.
    ///
    /// The corresponding function is `WSAAsyncSelect`.
    ///
    /// A condition that holds already is posted again (AS-6).
    ///
    /// - Parameters:
    ///   - events: the events; an empty set cancels.
    ///   - queue: the destination, of the same thread.
    /// - Throws: `ENOTSOCK` once closed, or what the kernel refused.
    package final func select(
        _ events: NetworkEvents,
        postingTo queue: MessageQueue
    ) throws(SystemError) {
        try select(events, target: SelectionTarget(queue), isEvent: false)
    }

    /// Selects events to be recorded and to signal an event object, replacing every earlier
    /// selection.
    ///
    /// The corresponding function is `WSAEventSelect`.
    ///
    /// Clears the record (ES-1). A condition that holds already is recorded, unless it has been
    /// enumerated and not re-enabled since (ES-5).
    ///
    /// - Parameters:
    ///   - events: the events; an empty set cancels.
    ///   - event: the event to signal.
    /// - Throws: `ENOTSOCK` once closed, or what the kernel refused.
    package final func select(
        _ events: NetworkEvents,
        signalling event: EventObject
    ) throws(SystemError) {
        try select(events, target: SelectionTarget(event), isEvent: true)
    }

    private final func select(
        _ events: NetworkEvents,
        target: SelectionTarget,
        isEvent: Bool
    ) throws(SystemError) {
        guard !isClosed else { throw SystemError(call: "select", errno: .notASocket) }
        guard !events.isEmpty else { return cancelSelection() }
        forget()
        if !isEvent || !isEventMode { silenced = [] }
        isEventMode = isEvent
        retarget(target)
        selection = events
        try selectionChanged()
        report(standingConditions(), now: true)
    }

    /// Cancels the selection.
    ///
    /// Queued messages stay queued (AS-2).
    package final func cancelSelection() {
        guard !selection.isEmpty else { return }
        forget()
        selection = []
        retarget(SelectionTarget())
        try? selectionChanged()
    }

    private final func retarget(_ new: SelectionTarget) {
        new.retain()
        target.release()
        target = new
    }

    // Discards what has not been reported or enumerated: it may be reported again.
    private final func forget() {
        if !fresh.isEmpty { loop.dropFresh(self) }
        silenced.subtract(fresh.union(record))
        fresh = []
        record = []
    }

    /// Takes the record and clears it, and resets an event, as one step (ES-3).
    ///
    /// The corresponding function is `WSAEnumNetworkEvents`. No system call.
    ///
    /// Enables nothing: only the matching call does (AS-4).
    ///
    /// - Parameter event: the event to reset, usually the selected one.
    /// - Returns: the events and their errors.
    /// - Throws: `ENOTSOCK` once closed; the event is then not reset.
    package final func enumerateNetworkEvents(
        resetting event: EventObject? = nil
    ) throws(SystemError) -> NetworkEventRecord {
        guard !isClosed else {
            throw SystemError(call: "WSAEnumNetworkEvents", errno: .notASocket)
        }
        event?.reset()
        let events = record
        record = .none
        return NetworkEventRecord(
            events: events,
            connectError: connectError,
            closeError: closeError
        )
    }

    /// Takes over another socket's selection (AS-10), except that the connection itself is no news.
    final func inheritSelection(from other: SelectableSocket) throws(SystemError) {
        guard !other.selection.isEmpty else { return }
        isEventMode = other.isEventMode
        retarget(other.target)
        selection = other.selection
        try selectionChanged()
        report(standingConditions().subtracting(.connect), now: true)
    }

    /// Whether the selection signals an event object.
    final var selectsEvent: Bool { isEventMode }

    /// Reports events that are selected and not silenced: at once, or at the end of the turn
    /// together with what else the turn brings.
    final func report(_ events: NetworkEvents, now: Bool) {
        let new = events.intersection(selection).subtracting(silenced)
        guard !new.isEmpty else { return }
        silenced.formUnion(new)
        if now {
            tell(new)
        } else {
            if fresh.isEmpty { loop.addFresh(self) }
            fresh.formUnion(new)
        }
    }

    override final func tellFresh() {
        let events = fresh
        fresh = .none
        tell(events)
    }

    private final func tell(_ events: NetworkEvents) {
        if isEventMode { record.formUnion(events) }
        target.tell(events, message: message)
    }

    private final func message(_ event: NetworkEvents) -> NetworkMessage {
        let error =
            switch event {
            case .connect: connectError
            case .close: closeError
            default: CompactErrno()
            }
        return NetworkMessage(socket: handle, event: event, error: error)
    }

    override final func hostChanged(_ events: NetworkEvents) {
        let due = armed.intersection(events)
        guard !due.isEmpty else { return }
        report(due, now: false)
        armed.subtract(due)
        if armed.isEmpty { loop.addressChanges.remove(self) }
    }

    /// Closes it: first the selection, then the watches, then the descriptor; that of a connection
    /// in a later turn of the loop, if many end in this one.
    ///
    /// The corresponding function is `closesocket`.
    ///
    /// Queued messages stay queued, but their handle no longer finds anything (AS-2). Calling it
    /// again does nothing.
    package final func close() {
        guard !isClosed else { return }
        leave()
        hasLeft = true
        selection = []
        retarget(SelectionTarget())
        releaseResources()
    }

    private final func leave() {
        guard !isClosed else { return }
        forget()
        if !armed.isEmpty { loop.addressChanges.remove(self) }
        armed = []
    }

    // What differs between the kinds of sockets.

    /// Makes the watches match the selection.
    func selectionChanged() throws(SystemError) {}

    /// The conditions that hold now and that no watch will report.
    func standingConditions() -> NetworkEvents { [] }

    /// Frees the watches, then closes the descriptor.
    func releaseResources() {}
}
