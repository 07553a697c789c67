import Glibc

/// Compares the stream that comes back with the one that was sent, while both are under way.
///
/// It keeps the bytes that have not come back yet, ``window`` at most: the sender has to wait while
/// there is no ``room``. After the first fault it keeps nothing.
///
/// Confined to one thread.
final class AnswerVerifier {
    /// The most bytes that may be under way.
    static let window = 16 << 20

    /// The first fault.
    private(set) var fault: AnswerFault?
    private var pending: [UInt8] = []
    // Where the bytes begin that have not come back.
    private var start = 0
    private var sent = 0
    private var received = 0

    /// How many more bytes may be sent now.
    var room: Int { fault == nil ? Self.window - (pending.count - start) : .max }

    /// Remembers bytes that were sent; no more than there is room for.
    func send(_ bytes: UnsafeRawBufferPointer) {
        sent += bytes.count
        guard fault == nil else { return }
        if start >= max(64 * 1024, pending.count / 2) {
            pending.removeSubrange(..<start)
            start = 0
        }
        unsafe pending.append(contentsOf: bytes)
    }

    /// Compares bytes that came back.
    func receive(_ bytes: UnsafeRawBufferPointer) {
        guard unsafe fault == nil && !bytes.isEmpty else { return }
        let count = min(bytes.count, pending.count - start)
        if let place = unsafe firstDifference(in: bytes, count: count) {
            let difference = unsafe ByteDifference(
                offset: received + place,
                expected: pending[start + place],
                received: bytes[place]
            )
            return end(.differs(difference))
        }
        start += count
        received += count
        guard count < bytes.count else { return }
        let surplus = unsafe Array(bytes[count...].prefix(AnswerFault.shownBytes))
        end(sent == 0 ? .banner(bytes: surplus) : .surplus(at: received, bytes: surplus))
    }

    private func firstDifference(in bytes: UnsafeRawBufferPointer, count: Int) -> Int? {
        guard count > 0, let answer = bytes.baseAddress else { return nil }
        return unsafe pending.withUnsafeBytes { pending in
            guard let expected = unsafe pending.baseAddress?.advanced(by: start),
                unsafe memcmp(expected, answer, count) != 0
            else { return nil }
            return (0..<count).first { unsafe pending[start + $0] != bytes[$0] }
        }
    }

    private func end(_ fault: AnswerFault) {
        self.fault = fault
        pending = []
        start = 0
    }
}
