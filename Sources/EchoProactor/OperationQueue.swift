/// The operations that wait in one direction of a socket, first come first served (OV-7).
///
/// A ring linked through the operations themselves: eight bytes, no allocation. Holds a reference
/// to each (OV-6).
@safe struct OperationQueue {
    private var last: Unmanaged<Operation>?

    init() {}

    var isEmpty: Bool { unsafe last == nil }

    /// The operation whose turn it is; the reference stays the queue's.
    var first: Unmanaged<Operation>? {
        unsafe last.flatMap { unsafe $0._withUnsafeGuaranteedRef { unsafe $0.next } }
    }

    mutating func append(_ operation: Operation) {
        let added = unsafe Unmanaged.passRetained(operation)
        if let last = unsafe last {
            unsafe last._withUnsafeGuaranteedRef { tail in
                unsafe operation.next = tail.next
                unsafe tail.next = added
            }
        } else {
            unsafe operation.next = added
        }
        unsafe last = added
    }

    /// Takes the first out; the reference passes to the caller.
    mutating func removeFirst() -> Unmanaged<Operation>? {
        guard let last = unsafe last, let first = unsafe first else { return nil }
        if unsafe first.toOpaque() == last.toOpaque() {
            unsafe self.last = nil
        } else {
            let next = unsafe first._withUnsafeGuaranteedRef { unsafe $0.next }
            unsafe last._withUnsafeGuaranteedRef { unsafe $0.next = next }
        }
        unsafe first._withUnsafeGuaranteedRef { unsafe $0.next = nil }
        return unsafe first
    }
}
