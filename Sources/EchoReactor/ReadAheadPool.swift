import EchoSockets

/// The buffers of one loop for bytes that were read before the application asked for them.
///
/// A short read moves into a small buffer, so that ten thousand sockets with a few bytes each do
/// not take 16 KiB each. A turn reads ahead at most ``turnBudget`` bytes; the rest stays in the
/// kernel, which reports it again. Spare buffers are kept, so that a steady state allocates
/// nothing.
///
/// A handle to memory of its own, so that using it for every byte needs neither a reference count
/// nor an exclusivity check. The loop destroys it.
@safe
struct ReadAheadPool {
    static let smallSize = 256
    static let largeSize = 16 * 1024
    static let turnBudget = 64 * largeSize

    @unsafe
    private struct State {
        var small = unsafe SpareBuffers(size: smallSize, limit: turnBudget / smallSize)
        var large = unsafe SpareBuffers(size: largeSize, limit: turnBudget / largeSize)
        var budget = turnBudget
    }

    private let state: UnsafeMutablePointer<State>

    init() {
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(to: State())
    }

    func destroy() {
        unsafe state.pointee.small.deallocate()
        unsafe state.pointee.large.deallocate()
        unsafe state.deallocate()
    }

    /// How many spare buffers there are, small and large.
    var spareCounts: (small: Int, large: Int) {
        unsafe (state.pointee.small.count, state.pointee.large.count)
    }

    func beginTurn() {
        unsafe state.pointee.budget = Self.turnBudget
    }

    /// Receives once, and stores any bytes in `ahead`.
    ///
    /// - Returns: the result; `nil` when the turn has read ahead enough.
    func receive(from socket: CInt, into ahead: inout ReadAhead) -> Transfer? {
        guard unsafe state.pointee.budget > 0 else { return nil }
        let buffer = unsafe state.pointee.large.take()
        let outcome = unsafe Socket.receive(
            from: socket,
            into: UnsafeMutableRawBufferPointer(start: buffer, count: Self.largeSize)
        )
        guard case .bytes(let count) = outcome else {
            unsafe state.pointee.large.keep(buffer)
            return outcome
        }
        if count > Self.smallSize {
            unsafe ahead = ReadAhead(start: buffer, count: count, isLarge: true)
            unsafe state.pointee.budget -= Self.largeSize
        } else {
            let room = unsafe state.pointee.small.take()
            unsafe room.copyMemory(from: buffer, byteCount: count)
            unsafe ahead = ReadAhead(start: room, count: count, isLarge: false)
            unsafe state.pointee.budget -= Self.smallSize
            unsafe state.pointee.large.keep(buffer)
        }
        return outcome
    }

    /// Takes back the buffer of an exhausted or abandoned read-ahead.
    func release(_ ahead: ReadAhead) {
        guard let start = unsafe ahead.start else { return }
        if ahead.isLarge {
            unsafe state.pointee.large.keep(start)
        } else {
            unsafe state.pointee.small.keep(start)
        }
    }
}

/// Spare buffers of one size, each holding the address of the next.
@unsafe
private struct SpareBuffers {
    private let size: Int
    private let limit: Int
    private var first: UnsafeMutableRawPointer?
    private(set) var count = 0

    init(size: Int, limit: Int) {
        unsafe self.size = size
        unsafe self.limit = limit
    }

    mutating func take() -> UnsafeMutableRawPointer {
        guard let buffer = unsafe first else {
            return unsafe .allocate(byteCount: size, alignment: 16)
        }
        unsafe first = buffer.load(as: UnsafeMutableRawPointer?.self)
        unsafe count -= 1
        return unsafe buffer
    }

    mutating func keep(_ buffer: UnsafeMutableRawPointer) {
        guard unsafe count < limit else { return unsafe buffer.deallocate() }
        unsafe buffer.storeBytes(of: first, as: UnsafeMutableRawPointer?.self)
        unsafe first = buffer
        unsafe count += 1
    }

    mutating func deallocate() {
        while unsafe count > 0 { unsafe take().deallocate() }
    }
}

/// The bytes that were read ahead from one socket and that its application has not taken yet.
@safe
struct ReadAhead {
    fileprivate let start: UnsafeMutableRawPointer?
    private var offset: UInt16 = 0
    private var end: UInt16
    fileprivate let isLarge: Bool

    /// No bytes.
    init() {
        unsafe start = nil
        end = 0
        isLarge = false
    }

    fileprivate init(start: UnsafeMutableRawPointer, count: Int, isLarge: Bool) {
        unsafe self.start = unsafe start
        end = UInt16(count)
        self.isLarge = isLarge
    }

    var count: Int { Int(end) - Int(offset) }
    var isEmpty: Bool { offset == end }

    /// Whether the read filled its buffer, so that the kernel probably has more.
    var wasFull: Bool { Int(end) == ReadAheadPool.largeSize }

    /// Copies the first bytes out without taking them.
    func copy(to buffer: UnsafeMutableRawBufferPointer) -> Int {
        let length = min(buffer.count, count)
        guard length > 0, let start = unsafe start, let base = buffer.baseAddress else { return 0 }
        unsafe base.copyMemory(from: start + Int(offset), byteCount: length)
        return length
    }

    mutating func drop(_ length: Int) {
        offset += UInt16(length)
    }
}
