/// The bytes of one connection: how many have been sent, and how many of those have come back, each
/// one verified.
package struct EchoStream: Sendable {
    /// Bytes that were not those expected.
    package struct Mismatch: Hashable, Sendable, CustomStringConvertible {
        /// How many of the bytes received are wrong.
        package let count: Int
        /// Where the first one is, what was expected, what came, and whose it is.
        package let description: String
    }

    /// The most connections of a run.
    package static let connectionLimit = 1 << 24

    /// Bytes sent so far.
    package private(set) var sent = 0
    /// Bytes that have come back.
    package private(set) var received = 0
    private let pattern: PatternBytes

    /// A stream of which nothing has been sent.
    ///
    /// - Parameters:
    ///   - connection: which one of the run it is.
    ///   - seed: the run's.
    package init(_ connection: Int, seed: UInt64) {
        pattern = Self.pattern(connection, seed: seed)
    }

    /// A stream with a pattern of ``pattern(_:seed:)``, of which nothing has been sent.
    init(_ pattern: PatternBytes) {
        self.pattern = pattern
    }

    /// The bytes of one connection of a run.
    static func pattern(_ connection: Int, seed: UInt64) -> PatternBytes {
        PatternBytes(seed: seed, connection: connection % connectionLimit)
    }

    /// Bytes sent that have not come back.
    package var owed: Int { sent - received }

    /// Writes the next bytes into a buffer, for sending.
    package func fill(_ buffer: UnsafeMutableRawBufferPointer) {
        unsafe pattern.fill(buffer, from: sent)
    }

    /// Counts bytes as sent.
    package mutating func note(sent count: Int) {
        sent += count
    }

    /// Verifies bytes that came back, and counts them.
    ///
    /// - Parameters:
    ///   - bytes: the bytes received.
    ///   - connections: how many the run has, whose bytes may turn up here.
    ///   - length: bytes of the run's longest stream.
    /// - Returns: what is wrong; `nil` if all are those expected.
    package mutating func take(
        _ bytes: UnsafeRawBufferPointer,
        connections: Int = connectionLimit,
        length: Int = 1 << 43
    ) -> Mismatch? {
        guard bytes.count <= owed,
            unsafe pattern.firstMismatch(in: bytes, from: received) == nil
        else { return unsafe mismatch(bytes, connections, length) }
        received += bytes.count
        return nil
    }

    private func mismatch(
        _ bytes: UnsafeRawBufferPointer,
        _ connections: Int,
        _ length: Int
    ) -> Mismatch {
        guard let first = unsafe pattern.firstMismatch(in: bytes, from: received) else {
            let surplus = bytes.count - owed
            return Mismatch(
                count: surplus,
                description: "offset \(sent): \(surplus) bytes more than were sent"
            )
        }
        let wrong = (first..<bytes.count).count { unsafe bytes[$0] != pattern[received + $0] }
        let there = unsafe Array(bytes.dropFirst(first).prefix(32))
        let origin = PatternBytes.origin(
            of: there,
            seed: pattern.seed,
            connections: connections,
            length: length
        )
        let source = origin.map { "those of \($0)" } ?? "nobody's: \(there)"
        let offset = received + first
        return Mismatch(
            count: wrong,
            description: "offset \(offset): expected byte \(pattern[offset]), got \(there[0]); "
                + "the bytes there are \(source)"
        )
    }
}
