import EchoWinsock
import Synchronization

/// A socket's place in a completion port's table: its lock, and behind it what the lock guards.
///
/// 64 bytes. Arithmetic rather than one structure: changing the state must not count as changing
/// the lock, which other threads look at meanwhile.
@safe struct SocketSlot {
    private static var generationOffset: Int { MemoryLayout<SlotLock>.size }
    private static var stateOffset: Int { 2 * generationOffset }
    static var stride: Int { stateOffset + MemoryLayout<SocketState>.stride }

    private let start: UnsafeMutableRawPointer

    init(at start: UnsafeMutableRawPointer) {
        unsafe self.start = start
    }

    func initialize() {
        unsafe start.initializeMemory(as: SlotLock.self, to: SlotLock())
        unsafe (start + Self.generationOffset).initializeMemory(as: UInt32.self, to: 0)
        unsafe (start + Self.stateOffset)
            .initializeMemory(as: SocketState.self, to: SocketState(-1))
    }

    /// Which of the place's successive sockets lives there; under the lock.
    @inline(__always)
    var generation: UInt32 {
        get { unsafe (start + Self.generationOffset).load(as: UInt32.self) }
        nonmutating set {
            unsafe (start + Self.generationOffset).storeBytes(of: newValue, as: UInt32.self)
        }
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

/// All sockets of a completion port, at places that never move: several threads use them.
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
        let exponent = 63 - position.leadingZeroBitCount
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
    @discardableResult
    @inline(__always)
    func withState<Result>(
        _ handle: SocketHandle,
        _ body: (inout SocketState) -> Result
    ) -> Result? {
        guard let slot = slot(handle.slot) else { return nil }
        return slot.withState { state in
            slot.generation == handle.generation ? body(&state) : nil
        }
    }

    /// Every place that has ever been used.
    var slots: some Sequence<SocketSlot> {
        (0..<used.load(ordering: .acquiring)).lazy.compactMap { self.slot($0) }
    }

    /// Takes a free place and starts a life there.
    func insert(_ newState: SocketState) -> SocketHandle? {
        lock.lock()
        let index = free.popLast() ?? grow()
        lock.unlock()
        guard let index, let slot = slot(index) else { return nil }
        return slot.withState { state in
            state = newState
            return SocketHandle(slot: index, generation: slot.generation)
        }
    }

    /// Makes a handle stale, so that nobody finds the socket any more.
    ///
    /// - Parameters:
    ///   - handle: the socket.
    ///   - body: ends it, under its lock; not called if the handle is stale.
    func end(_ handle: SocketHandle, _ body: (inout SocketState) -> Void) {
        guard let slot = slot(handle.slot) else { return }
        slot.withState { state in
            guard slot.generation == handle.generation else { return }
            slot.generation &+= 1
            body(&state)
        }
    }

    /// Gives a place back whose life has ended.
    func release(_ index: UInt32) {
        lock.lock()
        free.append(index)
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
