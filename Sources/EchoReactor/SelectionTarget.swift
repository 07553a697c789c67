/// Where a selection's events go.
///
/// Plain bits, so that it can be used without reference counting or exclusivity checks; whoever
/// stores it says when to ``retain()`` and ``release()``.
@safe
struct SelectionTarget {
    @unsafe
    enum Kind {
        case none
        case messages(Unmanaged<MessageQueue>)
        case event(Unmanaged<LoopEvent>)
    }

    let kind: Kind

    /// Nowhere.
    init() {
        unsafe kind = .none
    }

    /// Posts to a queue.
    init(_ queue: MessageQueue) {
        unsafe kind = .messages(.passUnretained(queue))
    }

    /// Signals an event.
    init(_ event: LoopEvent) {
        unsafe kind = .event(.passUnretained(event))
    }

    var isEvent: Bool {
        if case .event = unsafe kind { return true }
        return false
    }

    func retain() {
        switch unsafe kind {
        case .none: break
        case .messages(let queue): _ = unsafe queue.retain()
        case .event(let event): _ = unsafe event.retain()
        }
    }

    func release() {
        switch unsafe kind {
        case .none: break
        case .messages(let queue): unsafe queue.release()
        case .event(let event): unsafe event.release()
        }
    }
}
