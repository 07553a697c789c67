import EchoSockets

/// The bytes of a probe that is a datagram: a number, by which its echo is recognised, and bytes
/// that look random.
///
/// No two of a socket's probes are alike, unless they are too short: a server may take datagrams
/// that are identical for a loop, and drop them.
struct ProbePayload {
    /// Bytes of a probe.
    let size: Int
    private let pattern: PatternBytes
    private let key: UInt64
    private let width: Int
    private let stride: Int

    /// - Parameters:
    ///   - pattern: those of the socket.
    ///   - size: of a probe, at least 1.
    init(_ pattern: PatternBytes, size: Int) {
        self.pattern = pattern
        self.size = size
        width = min(size, 8)
        stride = (size + 7) & ~7
        key = (0..<8).reduce(0) { $0 | UInt64(pattern[$1]) << UInt64($1 * 8) }
    }

    /// The bits of a number that a probe holds: all, unless it is shorter than 8 bytes.
    var mask: UInt64 { .max >> UInt64((8 - width) * 8) }

    private func byte(_ place: Int, of number: Int) -> UInt8 {
        guard place < width else { return pattern[number &* stride &+ place] }
        let word = UInt64(truncatingIfNeeded: number) ^ key
        return UInt8(truncatingIfNeeded: word >> UInt64(place * 8))
    }

    /// Writes the probe with a number; the buffer is as long as a probe.
    func fill(_ buffer: UnsafeMutableRawBufferPointer, number: Int) {
        for place in 0..<width { unsafe buffer[place] = byte(place, of: number) }
        guard size > width else { return }
        let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[width...])
        unsafe pattern.fill(rest, from: number &* stride &+ width)
    }

    /// The bits of the number that a datagram holds; `nil` if it is too short.
    func number(in bytes: UnsafeRawBufferPointer) -> UInt64? {
        guard bytes.count >= width else { return nil }
        var word: UInt64 = 0
        for place in 0..<width { word |= unsafe UInt64(bytes[place]) << UInt64(place * 8) }
        return (word ^ key) & mask
    }

    /// What is wrong with a datagram as the echo of the probe with a number; `nil` if nothing is.
    func fault(in bytes: UnsafeRawBufferPointer, of number: Int) -> String? {
        let common = min(bytes.count, size)
        if let place = unsafe firstMismatch(in: bytes, upTo: common, number) {
            return "offset \(place): expected byte \(byte(place, of: number)), "
                + "got \(unsafe bytes[place])"
        }
        if bytes.count > size { return "more than the \(size) bytes that were sent came back" }
        return bytes.count < size ? "\(bytes.count) of \(size) bytes came back" : nil
    }

    private func firstMismatch(
        in bytes: UnsafeRawBufferPointer,
        upTo count: Int,
        _ number: Int
    ) -> Int? {
        for place in 0..<min(width, count)
        where unsafe bytes[place] != byte(place, of: number) { return place }
        guard count > width else { return nil }
        let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[width..<count])
        return unsafe pattern.firstMismatch(in: rest, from: number &* stride &+ width)
            .map { $0 + width }
    }
}
