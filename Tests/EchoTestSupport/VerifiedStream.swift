import EchoClient
package import EchoSockets
import Glibc

/// The bytes of one connection under test: how many have been sent, and how many of those have come
/// back, each one verified.
///
/// All clients that put a server under load send and verify with it.
@safe
package struct VerifiedStream: Sendable {
    /// What one receive has led to.
    package enum Receipt: Sendable {
        /// So many of the bytes that were due.
        case bytes(Int)
        /// Among others so many that were not due, and where the first of them is.
        case wrong(Int, String)
        /// The end of the stream.
        case endOfStream
        /// Nothing yet.
        case nothing
        /// A broken connection.
        case failed(Errno)
    }

    /// The most connections of a run.
    package static let connectionLimit = 1 << 24

    /// Bytes sent so far.
    package private(set) var sent = 0
    /// Bytes that have come back.
    package private(set) var received = 0
    private let pattern: PatternBytes
    private let connections: Int
    private let length: Int

    /// A stream of which nothing has been sent.
    ///
    /// - Parameters:
    ///   - connection: which one of the run it is.
    ///   - seed: the run's.
    ///   - connections: how many the run has: whose bytes may turn up here.
    ///   - length: bytes of the run's longest stream.
    package init(
        _ connection: Int,
        seed: UInt64,
        connections: Int = connectionLimit,
        length: Int
    ) {
        pattern = PatternBytes(seed: seed, connection: connection % Self.connectionLimit)
        self.connections = connections
        self.length = length
    }

    /// Sends the next bytes.
    ///
    /// - Parameters:
    ///   - count: how many at most; no more than the buffer holds.
    ///   - socket: where to.
    ///   - buffer: memory for them.
    ///   - flags: such as `MSG_OOB`.
    /// - Returns: what the kernel took.
    package mutating func send(
        atMost count: Int,
        over socket: borrowing Socket,
        _ buffer: UnsafeMutableRawBufferPointer,
        flags: CInt = 0
    ) -> Transfer {
        let part = unsafe UnsafeMutableRawBufferPointer(
            rebasing: buffer[..<min(count, buffer.count)]
        )
        unsafe pattern.fill(part, from: sent)
        let transfer = unsafe socket.send(UnsafeRawBufferPointer(part), flags: flags)
        if case .bytes(let count) = transfer { sent += count }
        return transfer
    }

    /// Receives once, and verifies what came.
    package mutating func receive(
        from socket: borrowing Socket,
        into room: UnsafeMutableRawBufferPointer
    ) -> Receipt {
        switch unsafe socket.receive(into: room) {
        case .bytes(let count):
            let part = unsafe UnsafeRawBufferPointer(rebasing: room[..<count])
            if let (count, text) = unsafe mismatch(in: part) { return .wrong(count, text) }
            received += count
            return .bytes(count)
        case .endOfStream: return .endOfStream
        case .failed(let error): return .failed(error)
        case .wouldBlock, .interrupted: return .nothing
        }
    }

    private func mismatch(in part: UnsafeRawBufferPointer) -> (Int, String)? {
        let surplus = received + part.count - sent
        guard let first = unsafe pattern.firstMismatch(in: part, from: received) else {
            return surplus > 0
                ? (surplus, "offset \(sent): \(surplus) bytes more than were sent") : nil
        }
        let wrong = (first..<part.count).count { unsafe part[$0] != pattern[received + $0] }
        let there = unsafe Array(part.dropFirst(first).prefix(32))
        let origin = PatternBytes.origin(
            of: there,
            seed: pattern.seed,
            connections: connections,
            length: length
        )
        let source = origin.map { "those of \($0)" } ?? "nobody's: \(there)"
        let offset = received + first
        return (
            wrong,
            "offset \(offset): expected byte \(pattern[offset]), got \(there[0]); "
                + "the bytes there are \(source)"
        )
    }
}
