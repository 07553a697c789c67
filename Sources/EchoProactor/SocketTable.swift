import EchoSockets
import Synchronization

/// A socket's place: its lock, and behind it what the lock guards.
///
/// 64 bytes.
///
/// Two pointers' worth of arithmetic rather than one structure: changing the state must not count
/// as changing the lock, which other threads look at meanwhile.
@safe struct SocketSlot {
    private static var stateOffset: Int { MemoryLayout<SocketState>.alignment }
    static var stride: Int { stateOffset + MemoryLayout<SocketState>.stride }

    private let start: UnsafeMutableRawPointer

    init(at start: UnsafeMutableRawPointer) {
        unsafe self.start = start
    }

    func initialize() {
        unsafe start.initializeMemory(as: SlotLock.self, to: SlotLock())
        unsafe (start + Self.stateOffset).initializeMemory(as: SocketState.self, to: SocketState())
    }

    /// Runs a body under the lock.
    @inline(__always)
    func withState<Result>(_ body: (inout SocketState) -> Result) -> Result {
        let lock = unsafe start.assumingMemoryBound(to: SlotLock.self)
        unsafe lock.pointee.lock()
        defer { unsafe lock.pointee.unlock() }
        let state = unsafe (start + Self.stateOffset).assumingMemoryBound(to: SocketState.self)
        return unsafe body(&state.pointee)
    }
}

/// All sockets of a proactor, at places that never move.
///
/// Buckets that double in size, so that a place is found without a lock while others are added.
/// Places are used again, with another generation; memory is kept until the table goes.
@safe final class SocketTable: @unchecked Sendable {
    private static var bucketCount: Int { 26 }
    private static var firstBucketSize: UInt64 { 64 }

    private let buckets: UnsafeMutablePointer<Atomic<UnsafeMutableRawPointer?>>
    private let used = Atomic<UInt32>(0)
    private let lock = SlotLock()
    private var free: [UInt32] = []

    init() {
        unsafe buckets = .allocate(capacity: Self.bucketCount)
        for index in 0..<Self.bucketCount {
            unsafe (buckets + index).initialize(to: Atomic(nil))
        }
    }

    deinit {
        for index in 0..<Self.bucketCount {
            let bucket = unsafe buckets[index].load(ordering: .relaxed)
            unsafe bucket?.deallocate()
        }
        unsafe buckets.deinitialize(count: Self.bucketCount)
        unsafe buckets.deallocate()
    }

    private static func place(_ index: UInt32) -> (bucket: Int, offset: Int) {
        let position = UInt64(index) + firstBucketSize
        let bucket = position.leadingZeroBitCount
        let exponent = 63 - bucket
        return (exponent - 6, Int(position - (1 << UInt64(exponent))))
    }

    /// The place of a socket, whatever lives there now.
    @inline(__always)
    func slot(_ index: UInt32) -> SocketSlot? {
        guard index < used.load(ordering: .acquiring) else { return nil }
        let (bucket, offset) = Self.place(index)
        guard let start = unsafe buckets[bucket].load(ordering: .acquiring) else { return nil }
        return unsafe SocketSlot(at: start + offset * SocketSlot.stride)
    }

    /// Runs a body under a socket's lock, unless the handle is stale.
    @inline(__always)
    func withState<Result>(
        _ handle: SocketHandle,
        _ body: (inout SocketState) -> Result
    ) -> Result? {
        slot(handle.address.index)?.withState { state in
            state.generation == handle.address.generation ? body(&state) : nil
        }
    }

    /// How many places have ever been used.
    var usedCount: UInt32 { used.load(ordering: .acquiring) }

    /// Takes a free place and starts a life there.
    func insert(_ start: (inout SocketState) -> Void) -> SocketHandle? {
        lock.lock()
        let index = free.popLast() ?? grow()
        lock.unlock()
        guard let index else { return nil }
        return slot(index)?.withState { state in
            start(&state)
            return SocketHandle(SlotAddress(index: index, generation: state.generation))
        }
    }

    /// Gives a place back whose life has ended; its generation has been advanced.
    func release(_ handle: SocketHandle) {
        lock.lock()
        free.append(handle.address.index)
        lock.unlock()
    }

    private func grow() -> UInt32? {
        let index = used.load(ordering: .relaxed)
        let (bucket, offset) = Self.place(index)
        guard bucket < Self.bucketCount else { return nil }
        var start = unsafe buckets[bucket].load(ordering: .relaxed)
        if unsafe start == nil {
            let size = (Int(Self.firstBucketSize) << bucket) * SocketSlot.stride
            unsafe start = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
            unsafe buckets[bucket].store(start, ordering: .releasing)
        }
        guard let start = unsafe start else { return nil }
        unsafe SocketSlot(at: start + offset * SocketSlot.stride).initialize()
        used.store(index + 1, ordering: .releasing)
        return index
    }
}
