/// Bytes that look random and encode where they belong: every eight of them hold their connection
/// and offset, so that misplaced bytes identify where they came from.
package struct PatternBytes: Sendable {
    /// Distinguishes one run's bytes from another's.
    package let seed: UInt64
    /// Which connection the bytes are for; less than 2²⁴.
    package let connection: Int
    private let key: UInt64

    /// The bytes of one connection.
    package init(seed: UInt64, connection: Int = 0) {
        self.seed = seed
        self.connection = connection
        key = SplitMix64.mixed(seed)
    }

    /// The byte at an offset of the connection's stream.
    package subscript(offset: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: word(offset / 8) >> UInt64(offset % 8 * 8))
    }

    /// A number of bytes from an offset on.
    package func bytes(from offset: Int = 0, count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        unsafe bytes.withUnsafeMutableBytes { unsafe fill($0, from: offset) }
        return bytes
    }

    // Whole words have a loop of their own: asking at each whether it is one takes twice the time.

    /// Fills a buffer with the bytes from an offset on.
    package func fill(_ buffer: UnsafeMutableRawBufferPointer, from offset: Int) {
        guard let start = buffer.baseAddress else { return }
        let count = buffer.count
        var place = 0
        while place < count {
            if (offset &+ place) & 7 == 0 {
                var index = (offset &+ place) >> 3
                while place &+ 8 <= count {
                    unsafe (start + place).storeBytes(of: word(index).littleEndian, as: UInt64.self)
                    place &+= 8
                    index &+= 1
                }
                if place == count { return }
            }
            unsafe buffer[place] = self[offset + place]
            place += 1
        }
    }

    /// The first place in a buffer where the byte is not the one expected there.
    package func firstMismatch(in buffer: UnsafeRawBufferPointer, from offset: Int) -> Int? {
        guard let start = buffer.baseAddress else { return nil }
        let count = buffer.count
        var place = 0
        while place < count {
            if (offset &+ place) & 7 == 0 {
                var index = (offset &+ place) >> 3
                while place &+ 8 <= count,
                    unsafe (start + place).loadUnaligned(as: UInt64.self)
                        == word(index).littleEndian
                {
                    place &+= 8
                    index &+= 1
                }
                if place == count { return nil }
            }
            if unsafe buffer[place] != self[offset + place] { return place }
            place += 1
        }
        return nil
    }

    /// Where bytes of a run came from.
    package struct Origin: Hashable, Sendable, CustomStringConvertible {
        /// The connection that they belong to.
        package let connection: Int
        /// The offset of the first of them in that connection's stream.
        package let offset: Int
        /// For example `connection 3, offset 4096`.
        package var description: String { "connection \(connection), offset \(offset)" }
    }

    /// Finds out where at least 15 bytes of a run with a seed came from.
    ///
    /// - Parameters:
    ///   - bytes: the misplaced bytes.
    ///   - seed: the run's seed.
    ///   - connections: how many connections the run has.
    ///   - length: the longest length of a connection's stream.
    /// - Returns: where they came from; `nil` if they belong to no connection, or there are
    ///   too few of them to tell.
    package static func origin(
        of bytes: [UInt8],
        seed: UInt64,
        connections: Int,
        length: Int
    ) -> Origin? {
        for shift in 0..<8 where bytes.count >= shift + 8 {
            var word: UInt64 = 0
            for index in 0..<8 { word |= UInt64(bytes[shift + index]) << UInt64(index * 8) }
            let plain = SplitMix64.unmixed(word) ^ SplitMix64.mixed(seed)
            let connection = Int(plain >> 40)
            let offset = Int(plain & 0xFF_FFFF_FFFF) * 8 - shift
            guard connection < connections, offset < length, offset >= 0 else { continue }
            // Any eight bytes may be those of some connection; the others tell.
            let there = PatternBytes(seed: seed, connection: connection)
            let known = bytes.prefix(16)
            guard known.count >= 12, known == there.bytes(from: offset, count: known.count)[...]
            else { continue }
            return Origin(connection: connection, offset: offset)
        }
        return nil
    }

    private func word(_ index: Int) -> UInt64 {
        SplitMix64.mixed((UInt64(connection) << 40 | UInt64(index)) ^ key)
    }
}
