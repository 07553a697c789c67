import EchoWinsock

/// Where a selection's events go.
///
/// Plain bits, so that it can be used without reference counting or exclusivity checks; its owner
/// calls ``retain()`` and ``release()``.
@safe
struct SelectionTarget {
    @unsafe
    enum Kind {
        case none
        case messages(Unmanaged<MessageQueue>)
        case event(Unmanaged<EventSet>, index: UInt8)
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
    init(_ event: EventObject) {
        unsafe kind = .event(.passUnretained(event.events), index: UInt8(event.index))
    }

    /// Delivers events of a socket; each has its own message, in order (AS-9).
    @inline(__always)
    func tell(_ events: NetworkEvents, message: (NetworkEvents) -> NetworkMessage) {
        switch unsafe kind {
        case .none: break
        case .event(let set, let index):
            unsafe set._withUnsafeGuaranteedRef { $0.signal(Int(index)) }
        case .messages(let queue):
            unsafe queue._withUnsafeGuaranteedRef { queue in
                if events.isSingle { return queue.post(message(events)) }
                for event in NetworkEvents.deliveryOrder where events.contains(event) {
                    queue.post(message(event))
                }
            }
        }
    }

    func retain() {
        switch unsafe kind {
        case .none: break
        case .messages(let queue): _ = unsafe queue.retain()
        case .event(let set, _): _ = unsafe set.retain()
        }
    }

    func release() {
        switch unsafe kind {
        case .none: break
        case .messages(let queue): unsafe queue.release()
        case .event(let set, _): unsafe set.release()
        }
    }
}
