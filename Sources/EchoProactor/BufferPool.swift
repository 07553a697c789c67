import EchoSockets

/// Receive buffers of one size, lent out while data is being handled.
///
/// A connection that waits for data has none; one is taken when data is there. The one returned
/// last is lent first, since it is still in the processor's cache. Any thread.
@safe package final class BufferPool: @unchecked Sendable {
    /// The bytes of each buffer.
    package let bufferSize: Int

    private let lock = SlotLock()
    private var free: [UnsafeMutableRawPointer]
    private let kept: Int

    /// An empty pool; buffers are allocated when first needed.
    ///
    /// - Parameters:
    ///   - bufferSize: bytes of each buffer, at least 1.
    ///   - kept: how many idle buffers are kept for reuse.
    package init(bufferSize: Int, keeping kept: Int = 64) {
        self.bufferSize = max(1, bufferSize)
        self.kept = kept
        unsafe free = []
        unsafe free.reserveCapacity(kept)
    }

    deinit {
        while let buffer = unsafe free.popLast() { unsafe buffer.deallocate() }
    }

    func take() -> UnsafeMutableRawPointer {
        lock.lock()
        let buffer = unsafe free.popLast()
        lock.unlock()
        return unsafe buffer ?? .allocate(byteCount: bufferSize, alignment: 64)
    }

    func give(_ buffer: UnsafeMutableRawPointer) {
        lock.lock()
        let keeps = unsafe free.count < kept
        if keeps { unsafe free.append(buffer) }
        lock.unlock()
        if !keeps { unsafe buffer.deallocate() }
    }
}

/// A buffer that was kept beyond its turn; goes back to its pool with its owner.
@safe package struct KeptBuffer: ~Copyable, @unchecked Sendable {
    private let pool: BufferPool
    private let start: UnsafeMutableRawPointer
    private let count: Int

    init(_ start: UnsafeMutableRawPointer, count: Int, pool: BufferPool) {
        self.pool = pool
        unsafe self.start = start
        self.count = count
    }

    deinit {
        unsafe pool.give(start)
    }

    /// The received bytes, valid while this owner lives.
    package var bytes: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: start, count: count)
    }
}
