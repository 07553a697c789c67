package import EchoSockets
package import EchoWinsock

/// What a ``NetworkSocket`` and a ``NetworkListener`` have in common: a handle, and a selection of
/// events with the place where they are told.
///
/// Confined to its loop's thread; not Sendable. The application keeps it alive; the loop does not.
@safe
package class SelectableSocket {
    /// The loop that watches it.
    package final let loop: EventLoop
    /// The handle that messages carry; never the descriptor's number (CO-1).
    package final let address: SlotAddress

    // Properties on the way of every byte are not visible outside: they need no run-time checks.
    // The larger ones come first, so that there are no gaps.
    private final var target = SelectionTarget()
    // The next in the loop's list of those that have something to tell.
    final var nextFresh: Unmanaged<SelectableSocket>?
    final var selection: NetworkEvents = []
    // Told and not re-enabled yet (AS-4).
    final var silenced: NetworkEvents = []
    // To be told at the end of the loop's turn, in their order (AS-9).
    private final var fresh: NetworkEvents = []
    // Told to an event object and not enumerated yet (ES-1).
    private final var record: NetworkEvents = []
    // Changes of the host's addresses and routes to be told once (AS-13).
    final var armed: NetworkEvents = []
    final var connectError = CompactErrno()
    final var closeError = CompactErrno()
    private final var hasLeft = false

    init(_ loop: EventLoop) {
        self.loop = loop
        address = loop.sockets.reserve()
        loop.sockets.insert(self, at: address)
    }

    deinit {
        leave()
        target.release()
    }

    /// Whether ``close()`` has been called.
    package final var isClosed: Bool { hasLeft }

    /// The selected events; empty if nothing is selected.
    package final var selected: NetworkEvents { selection }

    /// Selects events to be posted as messages, replacing every earlier selection.
    ///
    /// The corresponding function is `WSAAsyncSelect`.
    ///
    /// A condition that holds already is posted again (AS-6).
    ///
    /// - Parameters:
    ///   - events: which; none cancels.
    ///   - queue: where to, of the same thread.
    /// - Throws: `socketClosed`, or what the kernel refused.
    package final func select(
        _ events: NetworkEvents,
        postingTo queue: MessageQueue
    ) throws(ReactorError) {
        silenced = []
        try select(events, target: SelectionTarget(queue))
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
    ///   - events: which; none cancels.
    ///   - event: what to signal.
    /// - Throws: `socketClosed`, or what the kernel refused.
    package final func select(
        _ events: NetworkEvents,
        signalling event: LoopEvent
    ) throws(ReactorError) {
        silenced = target.isEvent ? silenced.subtracting(record).subtracting(fresh) : []
        try select(events, target: SelectionTarget(event))
    }

    private final func select(
        _ events: NetworkEvents,
        target: SelectionTarget
    ) throws(ReactorError) {
        guard !isClosed else { throw .socketClosed }
        guard !events.isEmpty else { return cancelSelection() }
        forget()
        retarget(target)
        selection = events
        try selectionChanged()
        report(standingConditions(), now: true)
    }

    /// Selects nothing any more.
    ///
    /// Messages that are queued stay so (AS-2).
    package final func cancelSelection() {
        guard !selection.isEmpty else { return }
        forget()
        silenced = []
        selection = []
        retarget(SelectionTarget())
        try? selectionChanged()
    }

    private final func retarget(_ new: SelectionTarget) {
        new.retain()
        target.release()
        target = new
    }

    // Discards what has not been told yet.
    private final func forget() {
        if !fresh.isEmpty { loop.dropFresh(self) }
        fresh = []
        record = []
    }

    /// Takes the record and clears it, and resets an event, as one step (ES-3).
    ///
    /// The corresponding function is `WSAEnumNetworkEvents`. No system call.
    ///
    /// Enables nothing: only the matching call does (AS-4).
    ///
    /// - Parameter event: what to reset, usually the event that was selected.
    /// - Returns: the events and their errors.
    /// - Throws: `socketClosed`; the event is not reset then.
    package final func enumerateNetworkEvents(
        resetting event: LoopEvent? = nil
    ) throws(ReactorError) -> NetworkEventRecord {
        guard !isClosed else { throw .socketClosed }
        event?.reset()
        defer { record = [] }
        return NetworkEventRecord(
            events: record,
            connectError: connectError.errno,
            closeError: closeError.errno
        )
    }

    /// Takes over another socket's selection (AS-10).
    final func inheritSelection(from other: SelectableSocket) throws(ReactorError) {
        guard !other.selected.isEmpty else { return }
        try select(other.selected, target: other.target)
    }

    /// Whether the selection signals an event object.
    final var selectsEvent: Bool { target.isEvent }

    /// Tells events that are selected and not silenced: at once, or at the end of the turn together
    /// with what else the turn brings.
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

    /// Tells what the turn brought.
    final func tellFresh() {
        let events = fresh
        fresh = []
        tell(events)
    }

    private final func tell(_ events: NetworkEvents) {
        switch unsafe target.kind {
        case .none:
            break
        case .event(let event):
            record.formUnion(events)
            unsafe event._withUnsafeGuaranteedRef { $0.set(within: loop.wakerIdentity) }
        case .messages(let queue):
            unsafe queue._withUnsafeGuaranteedRef { post(events, to: $0) }
        }
    }

    private final func post(_ events: NetworkEvents, to queue: MessageQueue) {
        if events.isSingle { return queue.post(message(events)) }
        for event in NetworkEvents.deliveryOrder where events.contains(event) {
            queue.post(message(event))
        }
    }

    private final func message(_ event: NetworkEvents) -> Message {
        let error: Errno? =
            switch event {
            case .connect: connectError.errno
            case .close: closeError.errno
            default: nil
            }
        return .network(NetworkMessage(socket: address, event: event, error: error))
    }

    /// Closes it: first the selection, then the watches, then the descriptor; that of a connection
    /// in a later turn of the loop, if many end in this one.
    ///
    /// The corresponding function is `closesocket`.
    ///
    /// Queued messages stay queued, but their handle finds nothing any more (AS-2). Once is enough;
    /// more often does nothing.
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
        disarmChanges()
        loop.sockets.remove(address)
    }

    // What the kinds of sockets differ in.

    /// Makes the watches match the selection.
    func selectionChanged() throws(ReactorError) {}

    /// The conditions that hold now and that no watch will tell.
    func standingConditions() -> NetworkEvents { [] }

    /// Frees the watches, then closes the descriptor.
    func releaseResources() {}
}

@available(*, unavailable)
extension SelectableSocket: Sendable {}
