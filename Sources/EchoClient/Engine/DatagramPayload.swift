import EchoSockets

/// The bytes of a datagram of a client: a number, by which its echo is recognised, and bytes that
/// look random.
///
/// No two of a socket are alike, unless they are too short: a server may take datagrams that are
/// identical for a loop, and drop them.
@safe struct DatagramPayload {
    /// Bytes of a datagram.
    let size: Int
    /// The bits of a number that it holds: all, unless it is shorter than 8 bytes.
    let mask: UInt64
    private let pattern: PatternBytes
    private let key: UInt64
    private let width: Int
    private let stride: Int

    /// - Parameters:
    ///   - pattern: those of the socket.
    ///   - size: of a datagram, at least 1.
    init(_ pattern: PatternBytes, size: Int) {
        self.pattern = pattern
        self.size = size
        width = min(size, 8)
        mask = .max >> UInt64((8 - width) * 8)
        stride = (size + 7) & ~7
        key = (0..<8).reduce(0) { $0 | UInt64(pattern[$1]) << UInt64($1 * 8) }
    }

    private func word(_ number: Int) -> UInt64 { UInt64(truncatingIfNeeded: number) ^ key }

    /// Writes the datagram with a number; the buffer is as long as a datagram.
    func fill(_ buffer: UnsafeMutableRawBufferPointer, number: Int) {
        let word = word(number)
        guard size > 8, let start = buffer.baseAddress else {
            for place in 0..<width {
                unsafe buffer[place] = UInt8(truncatingIfNeeded: word >> UInt64(place * 8))
            }
            return
        }
        unsafe start.storeBytes(of: word.littleEndian, as: UInt64.self)
        let rest = unsafe UnsafeMutableRawBufferPointer(start: start + 8, count: size - 8)
        unsafe pattern.fill(rest, from: number &* stride &+ 8)
    }

    /// The bits of the number that a datagram holds; `nil` if it is too short.
    func number(in bytes: UnsafeRawBufferPointer) -> UInt64? {
        guard bytes.count >= width, let start = bytes.baseAddress else { return nil }
        if width == 8 { return unsafe start.loadUnaligned(as: UInt64.self).littleEndian ^ key }
        var word: UInt64 = 0
        for place in 0..<width { word |= unsafe UInt64(bytes[place]) << UInt64(place * 8) }
        return (word ^ key) & mask
    }

    /// Whether a datagram is the echo of that with a number.
    func isEcho(_ bytes: UnsafeRawBufferPointer, of number: Int) -> Bool {
        guard bytes.count == size,
            unsafe self.number(in: bytes) == UInt64(truncatingIfNeeded: number) & mask
        else { return false }
        guard size > 8 else { return true }
        let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[8...])
        return unsafe pattern.firstMismatch(in: rest, from: number &* stride &+ 8) == nil
    }

    /// What is wrong with a datagram as the echo of that with a number; `nil` if nothing is.
    func fault(in bytes: UnsafeRawBufferPointer, of number: Int) -> String? {
        if unsafe isEcho(bytes, of: number) { return nil }
        let common = min(bytes.count, size)
        let place = (0..<common).first { unsafe bytes[$0] != byte($0, of: number) }
        if let place {
            return "offset \(place): expected byte \(byte(place, of: number)), "
                + "got \(unsafe bytes[place])"
        }
        return bytes.count > size
            ? "more than the \(size) bytes that were sent came back"
            : "\(bytes.count) of \(size) bytes came back"
    }

    /// How many bytes of a datagram are wrong, or missing, or too many, as the echo of that with a
    /// number.
    func wrongCount(in bytes: UnsafeRawBufferPointer, of number: Int) -> Int {
        let common = min(bytes.count, size)
        let wrong = (0..<common).count { unsafe bytes[$0] != byte($0, of: number) }
        return wrong + abs(bytes.count - size)
    }

    private func byte(_ place: Int, of number: Int) -> UInt8 {
        place < width
            ? UInt8(truncatingIfNeeded: word(number) >> UInt64(place * 8))
            : pattern[number &* stride &+ place]
    }
}
