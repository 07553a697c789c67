import EchoSockets

/// The operations that wait for a moment, the next one first: a binary heap.
///
/// Each operation knows its place, so that it can be taken out. Holds a reference to each.
@safe struct TimerHeap {
    @unsafe private struct Entry {
        let moment: Int64
        /// Keeps those of one moment in the order of posting.
        let sequence: UInt64
        let operation: Unmanaged<Operation>

        func isBefore(_ other: Entry) -> Bool {
            unsafe moment == other.moment ? sequence < other.sequence : moment < other.moment
        }
    }

    private var entries = unsafe [Entry]()
    private var sequence: UInt64 = 0

    var isEmpty: Bool { unsafe entries.isEmpty }

    /// The next moment.
    var next: MonotonicTime? {
        unsafe entries.first.map { unsafe MonotonicTime(nanoseconds: $0.moment) }
    }

    /// Puts an operation in, whose reference passes to the heap.
    mutating func insert(_ operation: Unmanaged<Operation>, _ moment: MonotonicTime) {
        sequence += 1
        unsafe entries.append(
            Entry(moment: moment.nanoseconds, sequence: sequence, operation: operation)
        )
        unsafe rise(entries.count - 1)
    }

    /// Takes out the first one if its moment has come; the reference passes to the caller.
    mutating func removeFirst(dueBy now: MonotonicTime) -> Unmanaged<Operation>? {
        guard let first = unsafe entries.first, unsafe first.moment <= now.nanoseconds else {
            return nil
        }
        remove(at: 0)
        return unsafe first.operation
    }

    /// Takes out any one; the reference passes to the caller.
    mutating func removeLast() -> Unmanaged<Operation>? {
        unsafe entries.popLast()?.operation
    }

    /// Takes an operation out; the reference passes to the caller.
    mutating func remove(_ operation: Operation) -> Unmanaged<Operation>? {
        let place = operation.timerPlace
        guard unsafe entries.indices.contains(place) else { return nil }
        let entry = unsafe entries[place]
        guard unsafe entry.operation._withUnsafeGuaranteedRef({ $0 === operation }) else {
            return nil
        }
        remove(at: place)
        return unsafe entry.operation
    }

    private mutating func remove(at place: Int) {
        guard let last = unsafe entries.popLast(), unsafe place < entries.count else { return }
        unsafe put(last, place)
        sink(place)
        rise(place)
    }

    private mutating func rise(_ start: Int) {
        var place = start
        let entry = unsafe entries[place]
        while place > 0, unsafe entry.isBefore(entries[(place - 1) / 2]) {
            unsafe put(entries[(place - 1) / 2], place)
            place = (place - 1) / 2
        }
        unsafe put(entry, place)
    }

    private mutating func sink(_ start: Int) {
        var place = start
        let entry = unsafe entries[place]
        while true {
            var child = 2 * place + 1
            guard unsafe child < entries.count else { break }
            if unsafe child + 1 < entries.count, unsafe entries[child + 1].isBefore(entries[child])
            {
                child += 1
            }
            guard unsafe entries[child].isBefore(entry) else { break }
            unsafe put(entries[child], place)
            place = child
        }
        unsafe put(entry, place)
    }

    private mutating func put(_ entry: Entry, _ place: Int) {
        unsafe entries[place] = entry
        unsafe entry.operation._withUnsafeGuaranteedRef { $0.timerPlace = place }
    }
}
