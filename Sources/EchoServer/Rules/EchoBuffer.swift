/// Bytes that wait to be sent back: first in, first out.
///
/// Has memory only while it has bytes.
///
/// Its owner bounds it: it never holds more than the high-water mark of ``EchoRules``.
@safe
struct EchoBuffer: ~Copyable {
    private var memory: UnsafeMutableRawPointer?
    private var capacity: UInt32 = 0
    private var start: UInt32 = 0
    private var used: UInt32 = 0

    /// An empty buffer.
    init() {
        unsafe memory = nil
    }

    deinit {
        unsafe memory?.deallocate()
    }

    /// How many bytes it holds.
    var count: Int { Int(used) }

    /// Whether it holds none.
    var isEmpty: Bool { used == 0 }

    /// Adds bytes at the end.
    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        let target = unsafe reserve(bytes.count)
        unsafe target.copyMemory(from: source, byteCount: bytes.count)
        used += UInt32(bytes.count)
    }

    /// Calls `body` with all bytes, the oldest first.
    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        guard let memory = unsafe memory else {
            return unsafe body(UnsafeRawBufferPointer(start: nil, count: 0))
        }
        return unsafe body(UnsafeRawBufferPointer(start: memory + Int(start), count: count))
    }

    /// Removes the oldest bytes.
    mutating func removeFirst(_ count: Int) {
        let taken = UInt32(clamping: min(count, self.count))
        start += taken
        used -= taken
        if used == 0 { release() }
    }

    /// Removes everything.
    mutating func removeAll() {
        used = 0
        release()
    }

    private mutating func release() {
        unsafe memory?.deallocate()
        unsafe memory = nil
        capacity = 0
        start = 0
    }

    // Makes room behind the last byte: in place, by moving bytes to the front, or by growing.
    private mutating func reserve(_ extra: Int) -> UnsafeMutableRawPointer {
        let needed = used + UInt32(extra)
        if let memory = unsafe memory, capacity >= needed {
            if start + needed > capacity {
                unsafe memory.copyMemory(from: memory + Int(start), byteCount: count)
                start = 0
            }
            return unsafe memory + Int(start + used)
        }
        let larger = max(needed, capacity * 2, 1024)
        let fresh = UnsafeMutableRawPointer.allocate(byteCount: Int(larger), alignment: 16)
        if let memory = unsafe memory {
            unsafe fresh.copyMemory(from: memory + Int(start), byteCount: count)
            unsafe memory.deallocate()
        }
        unsafe memory = fresh
        capacity = larger
        start = 0
        return unsafe fresh + Int(used)
    }
}
