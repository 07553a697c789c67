import Sockets

/// The buffers of one loop for bytes that were read before the application asked for them.
///
/// A short read moves into a small buffer, so that ten thousand sockets with a few bytes each do
/// not take 16 KiB each; a turn reads ahead at most ``turnBudget`` bytes of buffers, and what is
/// not read remains with the kernel, which reports it again. Spare buffers are kept, so that a
/// steady state allocates nothing.
@safe
final class ReadAheadPool {
    static let smallSize = 256
    static let largeSize = 16 * 1024
    static let turnBudget = 64 * largeSize
    static let maximumSpareLarge = 64
    static let maximumSpareSmall = turnBudget / smallSize

    private var small: ContiguousArray<UnsafeMutableRawPointer> = unsafe []
    private var large: ContiguousArray<UnsafeMutableRawPointer> = unsafe []
    private var budget = turnBudget

    init() {
        unsafe small.reserveCapacity(64)
        unsafe large.reserveCapacity(Self.maximumSpareLarge)
    }

    deinit {
        for unsafe pointer in unsafe small { unsafe pointer.deallocate() }
        for unsafe pointer in unsafe large { unsafe pointer.deallocate() }
    }

    /// How many spare buffers there are, small and large.
    var spareCounts: (small: Int, large: Int) { unsafe (small.count, large.count) }

    func beginTurn() {
        budget = Self.turnBudget
    }

    /// Receives once; the bytes, if there are any, are in `ahead` then. `nil` when the turn has read
    /// ahead enough.
    func receive(from socket: borrowing Socket, into ahead: inout ReadAhead) -> Transfer? {
        guard budget > 0 else { return nil }
        let buffer = unsafe large.popLast() ?? Self.allocate(Self.largeSize)
        let outcome = unsafe socket.receive(
            into: UnsafeMutableRawBufferPointer(start: buffer, count: Self.largeSize))
        guard case .bytes(let count) = outcome, count > Self.smallSize else {
            if case .bytes(let count) = outcome {
                let room = unsafe small.popLast() ?? Self.allocate(Self.smallSize)
                unsafe room.copyMemory(from: buffer, byteCount: count)
                unsafe ahead = ReadAhead(start: room, count: count, isLarge: false)
                budget -= Self.smallSize
            }
            unsafe keep(buffer, isLarge: true)
            return outcome
        }
        unsafe ahead = ReadAhead(start: buffer, count: count, isLarge: true)
        budget -= Self.largeSize
        return outcome
    }

    /// Takes back the buffer of an exhausted or abandoned read-ahead.
    func release(_ ahead: inout ReadAhead) {
        guard let start = unsafe ahead.start else { return }
        unsafe keep(start, isLarge: ahead.isLarge)
        ahead = ReadAhead()
    }

    private func keep(_ buffer: UnsafeMutableRawPointer, isLarge: Bool) {
        if isLarge, unsafe large.count < Self.maximumSpareLarge {
            unsafe large.append(buffer)
        } else if !isLarge, unsafe small.count < Self.maximumSpareSmall {
            unsafe small.append(buffer)
        } else {
            unsafe buffer.deallocate()
        }
    }

    private static func allocate(_ size: Int) -> UnsafeMutableRawPointer {
        .allocate(byteCount: size, alignment: 16)
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
        unsafe self.start = start
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
        guard length > 0, let start = unsafe start, let base = buffer.baseAddress else {
            return 0
        }
        unsafe base.copyMemory(from: start + Int(offset), byteCount: length)
        return length
    }

    mutating func drop(_ length: Int) {
        offset += UInt16(length)
    }
}
