/// Where a selection's events go.
///
/// Keeps it alive, and can be used without reference counting.
@safe
struct SelectionTarget: ~Copyable {
    @unsafe
    enum Kind {
        case none
        case messages(Unmanaged<MessageQueue>)
        case event(Unmanaged<EventObject>)
    }

    let kind: Kind

    /// Nowhere.
    static var none: SelectionTarget { unsafe SelectionTarget(.none) }

    private init(_ kind: Kind) {
        unsafe self.kind = unsafe kind
    }

    /// Posts to a queue.
    init(_ queue: MessageQueue) {
        unsafe kind = .messages(.passRetained(queue))
    }

    /// Signals an event.
    init(_ event: EventObject) {
        unsafe kind = .event(.passRetained(event))
    }

    /// The same place once more.
    func copy() -> SelectionTarget {
        switch unsafe kind {
        case .none: break
        case .messages(let queue): _ = unsafe queue.retain()
        case .event(let event): _ = unsafe event.retain()
        }
        return unsafe SelectionTarget(kind)
    }

    deinit {
        switch unsafe kind {
        case .none: break
        case .messages(let queue): unsafe queue.release()
        case .event(let event): unsafe event.release()
        }
    }

    var isEvent: Bool {
        if case .event = unsafe kind { return true }
        return false
    }
}
