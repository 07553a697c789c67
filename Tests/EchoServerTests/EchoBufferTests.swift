import EchoTestSupport
import Testing

@testable import EchoServer

@Suite(.timeLimit(.minutes(5)))
struct EchoBufferTests {
    @Test(arguments: 0..<16 as Range<UInt64>)
    func `bytes come out in the order they went in, whatever the sizes`(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let buffer = BufferProbe()
        var oracle: [UInt8] = []
        var next: UInt8 = 0
        let largest = [3, 100, 1500, 9000][Int(seed % 4)]
        for _ in 0..<min(2000, 1_000_000 / largest) {
            if oracle.count < 4 * largest, random.next() % 2 == 0 {
                let count = Int.random(in: 0...largest, using: &random)
                let bytes = (0..<count).map { index in next &+ UInt8(truncatingIfNeeded: index) }
                next &+= UInt8(truncatingIfNeeded: count)
                buffer.append(bytes)
                oracle += bytes
            } else {
                let count = Int.random(in: 0...2 * largest, using: &random)
                buffer.removeFirst(count)
                oracle.removeFirst(min(count, oracle.count))
            }
            #expect(buffer.count == oracle.count)
            guard buffer.contents == oracle else {
                Issue.record("the bytes differ")
                return
            }
        }
    }

    @Test func `it has memory only while it has bytes`() {
        let buffer = BufferProbe()
        #expect(buffer.isEmpty && !buffer.hasMemory)
        buffer.append([])
        #expect(!buffer.hasMemory)
        buffer.append([1, 2, 3])
        #expect(buffer.hasMemory)
        buffer.removeFirst(2)
        #expect(buffer.hasMemory && !buffer.isEmpty)
        buffer.removeFirst(1)
        #expect(buffer.isEmpty && !buffer.hasMemory)
        buffer.append([4])
        buffer.removeAll()
        #expect(buffer.isEmpty && !buffer.hasMemory)
    }

    @Test func `removing more than there is, or less than nothing, is clamped`() {
        let buffer = BufferProbe()
        buffer.removeFirst(5)
        #expect(buffer.isEmpty)
        buffer.append([1, 2, 3])
        buffer.removeFirst(-1)
        #expect(buffer.contents == [1, 2, 3])
        buffer.removeFirst(0)
        #expect(buffer.contents == [1, 2, 3])
        buffer.removeFirst(.max)
        #expect(buffer.isEmpty)
    }

    @Test func `room freed at the front is used again instead of growing`() {
        let buffer = BufferProbe()
        let bytes = (0..<1600).map { UInt8(truncatingIfNeeded: $0 % 251) }
        buffer.append(Array(bytes[..<1000]))
        let place = buffer.place
        buffer.removeFirst(600)
        buffer.append(Array(bytes[1000...]))
        #expect(buffer.place == place, "moved to the front of the same memory")
        #expect(buffer.contents == Array(bytes[600...]))
    }

    @Test func `growing keeps what is there, from wherever it began`() {
        for removed in [0, 1, 500, 1023] {
            let buffer = BufferProbe()
            let first = (0..<1024).map { UInt8(truncatingIfNeeded: $0) }
            buffer.append(first)
            buffer.removeFirst(removed)
            let more = (0..<5000).map { UInt8(truncatingIfNeeded: $0 * 7) }
            buffer.append(more)
            #expect(buffer.contents == Array(first[removed...]) + more)
        }
    }
}

/// A buffer that can be looked at in expectations, which take no noncopyable values.
private final class BufferProbe {
    private var buffer = EchoBuffer()

    func append(_ bytes: [UInt8]) {
        unsafe bytes.withUnsafeBytes { unsafe buffer.append($0) }
    }

    func removeFirst(_ count: Int) { buffer.removeFirst(count) }
    func removeAll() { buffer.removeAll() }

    var count: Int { buffer.count }
    var isEmpty: Bool { buffer.isEmpty }
    var contents: [UInt8] { unsafe buffer.withBytes { unsafe [UInt8]($0) } }
    var hasMemory: Bool { place != nil }

    /// Where the oldest byte is.
    var place: UInt? {
        unsafe buffer.withBytes { unsafe $0.baseAddress.map { UInt(bitPattern: $0) } }
    }
}
