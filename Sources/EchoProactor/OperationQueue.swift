/// The operations that wait in one direction of a socket, first come first served (OV-7).
///
/// A ring linked through the operations themselves: eight bytes, no allocation. Holds a reference
/// to each (OV-6).
@safe struct OperationQueue {
    private var last: Unmanaged<Operation>?

    init() {}

    var isEmpty: Bool { unsafe last == nil }

    /// The operation whose turn it is.
    var first: Operation? {
        guard let last = unsafe last else { return nil }
        return unsafe last.takeUnretainedValue().next?.takeUnretainedValue()
    }

    mutating func append(_ operation: Operation) {
        let added = unsafe Unmanaged.passRetained(operation)
        if let last = unsafe last {
            let tail = unsafe last.takeUnretainedValue()
            unsafe operation.next = tail.next
            unsafe tail.next = added
        } else {
            unsafe operation.next = added
        }
        unsafe last = added
    }

    /// Takes the first out; the reference passes to the caller.
    mutating func removeFirst() -> Unmanaged<Operation>? {
        guard let last = unsafe last else { return nil }
        let tail = unsafe last.takeUnretainedValue()
        guard let first = unsafe tail.next else { return nil }
        if unsafe first.toOpaque() == last.toOpaque() {
            unsafe self.last = nil
        } else {
            unsafe tail.next = first.takeUnretainedValue().next
        }
        unsafe first.takeUnretainedValue().next = nil
        return unsafe first
    }

    /// Takes a certain one out, wherever it stands; the reference passes to the caller.
    mutating func remove(_ operation: Operation) -> Unmanaged<Operation>? {
        var kept = OperationQueue()
        var found: Unmanaged<Operation>?
        while let next = unsafe removeFirst() {
            if unsafe next.takeUnretainedValue() === operation {
                unsafe found = next
            } else {
                kept.append(unsafe next.takeRetainedValue())
            }
        }
        self = kept
        return unsafe found
    }
}
