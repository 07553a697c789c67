/// Receive buffers of one size, lent to operations while what they brought is being handled.
///
/// A connection that waits for data has none; one is lent when data is there. The one given back
/// last is lent first, since it is still in the processor's cache. A value of one thread's.
@safe struct ReceiveBuffers: ~Copyable {
    /// How many idle ones are kept.
    private static var kept: Int { 64 }

    /// Bytes of each.
    let size: Int
    private let free: UnsafeMutablePointer<UnsafeMutableRawPointer>
    private var count = 0

    /// - Parameter size: bytes of each buffer, at least 1.
    init(size: Int) {
        self.size = max(1, size)
        unsafe free = .allocate(capacity: Self.kept)
    }

    deinit {
        for index in 0..<count { unsafe free[index].deallocate() }
        unsafe free.deallocate()
    }

    mutating func take() -> UnsafeMutableRawPointer {
        guard count > 0 else { return .allocate(byteCount: size, alignment: 64) }
        count -= 1
        return unsafe free[count]
    }

    mutating func give(_ buffer: UnsafeMutableRawPointer) {
        guard count < Self.kept else { return unsafe buffer.deallocate() }
        unsafe free[count] = buffer
        count += 1
    }
}
