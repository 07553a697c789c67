/// Names the bytes that one connection of a check sends: every eight of them encode this name and
/// their offset, so that misplaced bytes identify where they came from.
struct PayloadName: Hashable {
    static let connections = 1 << 11

    /// Which run; one of ``EchoCheck/runNumbers``.
    let run: Int
    /// Which check.
    let check: EchoCheck.Check
    /// Which connection of the check; from 0, below ``connections``.
    let connection: Int

    // One seed for all runs, so that bytes of other runs are recognised as well; and another for
    // datagrams, whose checks are numbered from 0 as well.
    private static func seed(forDatagrams isForDatagrams: Bool) -> UInt64 {
        isForDatagrams ? 863 : 862
    }

    var pattern: PatternBytes {
        let number = (run << 4 | check.number) << 11 | connection
        return PatternBytes(seed: Self.seed(forDatagrams: check.isForDatagrams), connection: number)
    }

    /// Where bytes came from, if a run sent them; otherwise `nil`.
    ///
    /// - Parameters:
    ///   - bytes: the bytes, at least 15.
    ///   - isForDatagrams: whether they came as datagrams.
    /// - Returns: whose they are, and the offset of the first.
    static func origin(
        of bytes: [UInt8],
        forDatagrams isForDatagrams: Bool = false
    ) -> (name: PayloadName, offset: Int)? {
        let origin = PatternBytes.origin(
            of: bytes,
            seed: seed(forDatagrams: isForDatagrams),
            connections: EchoCheck.runNumbers.count * connections << 4,
            length: EchoCheck.sizes.upperBound
        )
        guard let origin else { return nil }
        let check = origin.connection >> 11 & 0xF
        let checks = EchoCheck.Check.cases(forDatagrams: isForDatagrams)
        guard check < checks.count else { return nil }
        let name = PayloadName(
            run: origin.connection >> 15,
            check: checks[check],
            connection: origin.connection & 0x7FF
        )
        // Eight bytes may look like a name and an offset by chance: the others must fit as well.
        let expected = name.pattern.bytes(from: origin.offset, count: bytes.count)
        let equal = zip(expected, bytes).count { $0 == $1 }
        return equal >= min(bytes.count, 12) ? (name, origin.offset) : nil
    }
}

/// What one connection of a check sends, and expects back.
struct CheckPayload {
    private enum Content {
        case pattern(PatternBytes)
        case bytes([UInt8])
    }

    /// The name of the bytes.
    let name: PayloadName
    /// How many.
    let count: Int
    private let content: Content

    /// Bytes that carry their name.
    init(_ name: PayloadName, count: Int) {
        self.name = name
        self.count = count
        content = .pattern(name.pattern)
    }

    /// Bytes that the check chooses.
    init(_ name: PayloadName, bytes: [UInt8]) {
        self.name = name
        count = bytes.count
        content = .bytes(bytes)
    }

    /// The byte at an offset below ``count``.
    subscript(offset: Int) -> UInt8 {
        switch content {
        case .pattern(let pattern): pattern[offset]
        case .bytes(let bytes): bytes[offset]
        }
    }

    /// Fills a buffer with the bytes from an offset on; both must lie within ``count``.
    func fill(_ buffer: UnsafeMutableRawBufferPointer, from offset: Int) {
        switch content {
        case .pattern(let pattern): unsafe pattern.fill(buffer, from: offset)
        case .bytes(let bytes): unsafe buffer.copyBytes(from: bytes[offset..<offset + buffer.count])
        }
    }

    /// The first place in a buffer where the byte is not the one expected there.
    func firstMismatch(in buffer: UnsafeRawBufferPointer, from offset: Int) -> Int? {
        switch content {
        case .pattern(let pattern):
            return unsafe pattern.firstMismatch(in: buffer, from: offset)
        case .bytes(let bytes):
            return buffer.indices.first { unsafe buffer[$0] != bytes[offset + $0] }
        }
    }
}
