public import Synchronization

/// A value that one thread at a time can use: a `Mutex` whose ordering ThreadSanitizer can follow.
///
/// The contended path of `Mutex` runs in the Swift runtime and the kernel, which are not
/// instrumented, so the sanitizer would report false races. The two atomic accesses here are what
/// it sees instead; they cost next to nothing.
@usableFromInline
package struct Locked<Value: ~Copyable>: ~Copyable, Sendable {
    // Inlinable, so that it is specialised where it is used.
    @usableFromInline let mutex: Mutex<Value>
    @usableFromInline let order = Atomic<Bool>(false)

    /// Takes charge of a value.
    @inlinable
    package init(_ value: consuming sending Value) {
        mutex = Mutex(value)
    }

    /// Calls `body` with the value, while no other thread has it.
    @inlinable
    package borrowing func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        try mutex.withLock { (value: inout sending Value) throws(Failure) -> sending Result in
            _ = order.load(ordering: .acquiring)
            defer { order.store(true, ordering: .releasing) }
            return try body(&value)
        }
    }

    /// Calls `body` with the value, unless another thread has it.
    ///
    /// - Returns: what `body` returned; `nil` if another thread has the value.
    @inlinable
    package borrowing func withLockIfAvailable<Result, Failure: Error>(
        _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result? {
        try mutex.withLockIfAvailable {
            (value: inout sending Value) throws(Failure) -> sending Result in
            _ = order.load(ordering: .acquiring)
            defer { order.store(true, ordering: .releasing) }
            return try body(&value)
        }
    }
}
