/// Delivers elements to a consumer, in order, on a separate thread: adding one never waits for the
/// consumer.
///
/// Bounded in number and size: when it is full, further elements are dropped and counted. Needs no
/// descriptor, and starts its only thread at the beginning. Delivers what it holds before it is
/// destroyed. Any thread.
package final class DeliveryQueue<Element: Sendable>: Sendable {
    /// What one call of the consumer receives.
    package struct Batch: Sendable {
        /// The elements, in the order in which they were added.
        package let elements: [Element]
        /// How many were dropped after the last of them.
        package let dropped: Int
    }

    private let core: DeliveryCore<Element>

    /// An empty queue; its thread does not run yet.
    ///
    /// - Parameters:
    ///   - count: the most elements it holds, including those being delivered; at least 1.
    ///   - size: their largest total size, as given to ``add(_:size:)``.
    ///   - deliver: the consumer; may block. Always on the same thread.
    package init(
        count: Int,
        size: Int,
        _ deliver: @escaping @Sendable (Batch) -> Void
    ) {
        core = DeliveryCore(count: count, size: size, deliver)
    }

    deinit {
        core.end()
    }

    /// Starts the thread, unless it runs.
    ///
    /// - Parameter name: as debuggers show it.
    /// - Throws: `EAGAIN` when the system allows no further thread.
    package func start(name: String) throws(SystemError) {
        guard core.begin() else { return }
        do throws(SystemError) {
            try Thread(name: name) { [core] in core.run() }.detach()
        } catch {
            core.cancelBeginning()
            throw error
        }
    }

    /// Adds an element, or counts it as dropped.
    ///
    /// Takes a lock for moments only.
    ///
    /// - Parameters:
    ///   - element: what is to be delivered.
    ///   - size: how much of the queue's size it takes.
    package func add(_ element: Element, size: Int) {
        core.add(element, size: size)
    }

    /// Waits until everything that was added has been delivered, or for a time.
    ///
    /// - Returns: whether everything was.
    @discardableResult
    package func flush(within limit: Duration) -> Bool {
        core.flush(within: limit)
    }

    /// Ends the queue: the thread ends when everything is delivered.
    package func finish() {
        core.end()
    }
}

/// What the queue and its thread share: the thread may outlive the queue's owner.
private final class DeliveryCore<Element: Sendable>: Sendable {
    private struct State {
        var waiting: [(element: Element, size: Int)] = []
        // Of those being delivered as well.
        var count = 0
        var size = 0
        var dropped = 0
        var isRunning = false
        var isAsleep = false
        var isEnding = false
        /// Opened when everything that was added has been delivered, if a thread waits for that.
        var delivered: Latch?
    }

    private let countLimit: Int
    private let sizeLimit: Int
    private let deliver: @Sendable (DeliveryQueue<Element>.Batch) -> Void
    private let state = Locked(State())
    private let news = Gate()

    init(
        count: Int,
        size: Int,
        _ deliver: @escaping @Sendable (DeliveryQueue<Element>.Batch) -> Void
    ) {
        countLimit = count
        sizeLimit = size
        self.deliver = deliver
    }

    func begin() -> Bool {
        state.withLock { state in
            defer { state.isRunning = true }
            return !state.isRunning
        }
    }

    func cancelBeginning() {
        state.withLock { $0.isRunning = false }
    }

    func add(_ element: Element, size: Int) {
        let wakes = state.withLock { state in
            guard state.count < countLimit, size <= sizeLimit - state.size else {
                state.dropped += 1
                return Self.wakes(&state)
            }
            state.waiting.append((element, size))
            state.count += 1
            state.size += size
            return Self.wakes(&state)
        }
        if wakes { news.open() }
    }

    func end() {
        let wakes = state.withLock { state in
            state.isEnding = true
            return Self.wakes(&state)
        }
        if wakes { news.open() }
    }

    private static func wakes(_ state: inout State) -> Bool {
        defer { state.isAsleep = false }
        return state.isAsleep
    }

    func flush(within limit: Duration) -> Bool {
        let (delivered, isEmpty) = state.withLock { state -> (Latch?, Bool) in
            let isEmpty = state.count == 0 && state.dropped == 0
            if isEmpty || !state.isRunning { return (nil, isEmpty) }
            let delivered = state.delivered ?? Latch()
            state.delivered = delivered
            return (delivered, false)
        }
        return delivered?.wait(until: .now + limit) ?? isEmpty
    }

    func run() {
        while true {
            switch next() {
            case .batch(let batch): deliver(batch)
            case .nothing: news.wait()
            case .end: return
            }
        }
    }

    private enum Next {
        case batch(DeliveryQueue<Element>.Batch)
        case nothing
        case end
    }

    private func next() -> Next {
        let (next, delivered) = state.withLock { state -> (Next, Latch?) in
            let dropped = state.dropped
            let elements = state.waiting.map(\.element)
            // Those before them have been delivered.
            state.count = elements.count
            state.size = state.waiting.reduce(0) { $0 + $1.size }
            state.waiting = []
            state.dropped = 0
            guard elements.isEmpty, dropped == 0 else {
                return (.batch(.init(elements: elements, dropped: dropped)), nil)
            }
            state.isAsleep = !state.isEnding
            return (state.isEnding ? .end : .nothing, state.delivered.take())
        }
        delivered?.open()
        return next
    }
}
