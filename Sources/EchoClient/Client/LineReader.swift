import EchoSockets
import Glibc

/// The lines of a descriptor, as long as a limit allows.
struct LineReader {
    /// What was read.
    enum Reading: Hashable {
        /// A line, with or without its end.
        case bytes([UInt8])
        /// One that was longer than allowed, with its length; its bytes are gone.
        case tooLong(Int)
    }

    private let input: CInt
    private let limit: Int
    private let keepsEnds: Bool
    private var bytes: [UInt8] = []
    // Of a line that is too long already: bytes that were discarded.
    private var discarded = 0
    // No byte is scanned twice.
    private var searched = 0
    private var hasEnded = false

    /// - Parameters:
    ///   - input: the descriptor, which stays open.
    ///   - limit: the most bytes of a line.
    ///   - keepsEnds: whether a line includes its `\n`; the last may have none.
    init(_ input: CInt, limit: Int, keepsEnds: Bool) {
        self.input = input
        self.limit = limit
        self.keepsEnds = keepsEnds
    }

    /// Whether there is neither a line left nor anything to read.
    var isAtEnd: Bool { hasEnded && bytes.isEmpty && discarded == 0 }

    /// The next line; `nil` if more must be read first, or at the end.
    mutating func next() -> Reading? {
        if let end = bytes[searched...].firstIndex(of: 0x0A) {
            let line = take(keepsEnds ? end + 1 : end)
            if !keepsEnds { bytes.removeFirst() }
            return line
        }
        if hasEnded { return isAtEnd ? nil : take(bytes.count) }
        searched = bytes.count
        if bytes.count > limit + 1 {
            discarded += bytes.count
            bytes = []
            searched = 0
        }
        return nil
    }

    private mutating func take(_ count: Int) -> Reading {
        let line = Array(bytes[..<count])
        bytes.removeSubrange(..<count)
        let length = discarded + count
        discarded = 0
        searched = 0
        return length > limit ? .tooLong(length) : .bytes(line)
    }

    /// Reads once, which waits until there is something.
    ///
    /// - Returns: why it failed.
    mutating func read() -> Errno? {
        let start = bytes.count
        let number = input
        var count = 0
        bytes.append(contentsOf: repeatElement(0, count: 16 * 1024))
        unsafe bytes.withUnsafeMutableBytes { all in
            let room = unsafe UnsafeMutableRawBufferPointer(rebasing: all[start...])
            count = transferCall { unsafe Glibc.read(number, room.baseAddress, room.count) }
        }
        bytes.removeSubrange((start + max(count, 0))...)
        if count == 0 { hasEnded = true }
        return count < 0 && count != -Int(EAGAIN) ? Errno(rawValue: CInt(-count)) : nil
    }
}
