import EchoClient
import Testing

@Suite struct PatternBytesTests {
    private let pattern = PatternBytes(seed: 862, connection: 7)

    @Test(arguments: 0..<17)
    func `bytes are the same, however they are asked for`(_ offset: Int) {
        for count in 0..<40 {
            let bytes = pattern.bytes(from: offset, count: count)
            #expect(bytes == (offset..<offset + count).map { pattern[$0] })
        }
    }

    @Test(arguments: 0..<17)
    func `the first wrong byte is found wherever it is`(_ offset: Int) {
        for count in 0..<40 {
            var bytes = pattern.bytes(from: offset, count: count)
            #expect(firstMismatch(bytes, offset) == nil)
            for place in bytes.indices.reversed() {
                bytes[place] ^= 0x80
                #expect(firstMismatch(bytes, offset) == place)
            }
        }
    }

    private func firstMismatch(_ bytes: [UInt8], _ offset: Int) -> Int? {
        unsafe bytes.withUnsafeBytes { unsafe pattern.firstMismatch(in: $0, from: offset) }
    }

    @Test func `bytes say where they come from`() throws {
        for offset in [0, 1, 7, 8, 4096, 1 << 33] {
            let bytes = pattern.bytes(from: offset, count: 15)
            let origin = PatternBytes.origin(
                of: bytes,
                seed: 862,
                connections: 8,
                length: 1 << 40
            )
            #expect(origin?.connection == 7 && origin?.offset == offset)
        }
        let other = PatternBytes(seed: 863, connection: 7).bytes(count: 64)
        #expect(
            PatternBytes.origin(of: other, seed: 862, connections: 8, length: 1 << 30) == nil
        )
        // Each eight bytes are those of some place in so many streams.
        let banner = Array("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n".utf8)
        for bytes in [banner, Array(repeating: 0, count: 64), Array(banner.prefix(8))] {
            let origin = PatternBytes.origin(
                of: bytes,
                seed: 862,
                connections: EchoStream.connectionLimit,
                length: 1 << 43
            )
            #expect(origin == nil)
        }
    }
}
