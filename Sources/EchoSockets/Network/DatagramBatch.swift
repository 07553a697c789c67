import CEchoLinux
import Glibc

/// Receives datagrams in batches and sends answers in batches (recvmmsg(2), sendmmsg(2)), joined by
/// the kernel where it can (`UDP_GRO`, `UDP_SEGMENT`, udp(7)).
///
/// Has memory only once it has received. Nothing is queued: what the kernel does not take at once
/// is lost, as any datagram may be. For one thread at a time, and one socket.
package final class DatagramBatch {
    /// The messages that one receive takes.
    package static let capacity = 16
    /// Bytes of one message: more than a datagram can have (65,507 over IPv4, 65,527 over IPv6).
    package static let bufferSize = 65_536
    /// The most messages that one send takes: more are several.
    static let answerCapacity = 64
    /// The most datagrams in one message that every kernel with `UDP_SEGMENT` takes.
    static let segmentLimit = 64

    // So many receives of a single message come between two that look for more.
    private static let singleStretch = 15

    /// What has become of answers.
    package struct Outcome: Hashable, Sendable {
        /// Datagrams that the kernel has taken.
        package var sent = 0
        /// Their bytes.
        package var sentBytes = 0
        /// Datagrams that it did not take.
        package var failed = 0
        /// Why it did not take the last of these.
        package var error: Errno?

        /// Nothing yet.
        package init() {}
    }

    // Used by one thread at a time, and nothing is called from within a use: no run-time check.
    @exclusivity(unchecked) var buffers: DatagramBuffers?
    @exclusivity(unchecked) private var received = 0
    @exclusivity(unchecked) var answerCount = 0
    @exclusivity(unchecked) var outcome = Outcome()
    /// Whether it looks as if more had come by the time that what it has is answered.
    @exclusivity(unchecked) package private(set) var expectsMore = false
    // How many receives of a single message are left before more are looked for again.
    @exclusivity(unchecked) private var singles = 0
    @exclusivity(unchecked) private var knownDrops: UInt32 = 0
    @exclusivity(unchecked) private var newDrops = 0
    /// Whether several datagrams are sent as one message, until the kernel refuses one.
    @exclusivity(unchecked) package private(set) var segments: Bool
    let statesSource: Bool
    let family: CInt
    private let capacity: Int
    private let bufferSize: Int

    /// A batch without memory.
    ///
    /// - Parameters:
    ///   - socket: the socket that it is for.
    ///   - bufferSize: bytes of one message.
    package init(
        for socket: borrowing DatagramSocket,
        bufferSize: Int = DatagramBatch.bufferSize
    ) {
        statesSource = socket.statesSource
        family = socket.address.family
        unsafe segments = socket.segments
        unsafe knownDrops = socket.earlierDrops
        capacity = Self.capacity
        self.bufferSize = bufferSize
    }

    /// Whether it has memory: whether anything has been received.
    package var hasBuffers: Bool { unsafe buffers != nil }

    /// Receives what is there, at most ``capacity`` messages; what was received before is gone.
    ///
    /// The corresponding C function is `recvmmsg`.
    ///
    /// - Parameter number: the socket's descriptor.
    /// - Returns: the number of messages, or a negated error; less than ``capacity`` means that
    ///   there were no more.
    package func receive(from number: CInt) -> Int {
        let buffers = prepare()
        let count = take(
            transferCall {
                unsafe clinux_recvmmsg(number, buffers.headers, CUnsignedInt(capacity), 0)
            }
        )
        learn(from: count)
        return count
    }

    /// Receives what is there: a single message, or as ``receive(from:)`` if it ``expectsMore``.
    ///
    /// The corresponding C functions are `recvmsg` and `recvmmsg`.
    ///
    /// - Returns: the number of messages, or a negated error; there may be more, unless there are
    ///   none.
    package func receiveSome(from number: CInt) -> Int {
        guard unsafe !expectsMore else { return receive(from: number) }
        let count = receiveOne(from: number)
        learn(from: count)
        return count
    }

    // To look for more costs more than a little, and is in vain where each sender waits for its
    // answer: so only where it was not in vain the last time, and once in a while.
    private func learn(from count: Int) {
        if count < 0 {
            unsafe expectsMore = false
            unsafe singles = Self.singleStretch
        } else if count > 1 {
            unsafe expectsMore = true
        } else if unsafe !expectsMore {
            unsafe expectsMore = singles == 0
            unsafe singles = max(0, singles - 1)
        }
    }

    /// Receives on a blocking socket: waits for the first message, and takes others only where
    /// there have lately been several.
    ///
    /// The corresponding C functions are `recvmsg`, and `recvmmsg` with `MSG_WAITFORONE`.
    ///
    /// - Returns: as ``receiveSome(from:)``; `-EINTR` when a signal arrives first.
    package func receiveInterruptible(from number: CInt) -> Int {
        if unsafe singles > 0 {
            unsafe singles -= 1
            return receiveOne(from: number)
        }
        let buffers = prepare()
        let waitForOne: CInt = 0x10000
        let count = unsafe clinux_recvmmsg(
            number,
            buffers.headers,
            CUnsignedInt(capacity),
            waitForOne
        )
        if count == 1 { unsafe singles = Self.singleStretch }
        return take(count < 0 ? -Int(errno) : count)
    }

    private func receiveOne(from number: CInt) -> Int {
        let buffers = prepare()
        let size = unsafe recvmsg(number, &buffers.headers.pointee.header, 0)
        guard size >= 0 else { return -Int(errno) }
        unsafe buffers.headers.pointee.count = CUnsignedInt(size)
        return take(1)
    }

    private func prepare() -> DatagramBuffers {
        guard let buffers = unsafe buffers else {
            let made = DatagramBuffers(
                capacity: capacity,
                answerCapacity: Self.answerCapacity,
                bufferSize: bufferSize
            )
            unsafe self.buffers = made
            return made
        }
        for index in 0..<(unsafe received) { buffers.reset(index) }
        unsafe received = 0
        return buffers
    }

    private func take(_ count: Int) -> Int {
        guard count > 0, let buffers = unsafe buffers else { return count }
        unsafe received = count
        for index in 0..<count {
            buffers.read(index)
            if let drops = unsafe buffers.details[index].drops { noteDrops(drops) }
        }
        return count
    }

    // Counts all from the opening of the socket until that message was queued, modulo 2 to the
    // power of 32.
    private func noteDrops(_ drops: UInt32) {
        let new = unsafe Int32(truncatingIfNeeded: drops &- knownDrops)
        // An inherited socket may have queued it before this process began.
        guard new > 0 else { return }
        unsafe newDrops += Int(new)
        unsafe knownDrops = drops
    }

    /// Datagrams that the kernel has dropped for want of room, as far as known, since it was last
    /// asked (`SO_RXQ_OVFL`, socket(7)).
    ///
    /// Not those of an inherited socket from before it was inherited.
    package func takeDrops() -> Int {
        defer { unsafe newDrops = 0 }
        return unsafe newDrops
    }

    /// What has become of answers since it was last asked.
    package func takeOutcome() -> Outcome {
        defer { unsafe outcome = Outcome() }
        return unsafe outcome
    }

    /// Calls `body` with a received message.
    ///
    /// - Parameters:
    ///   - index: from 0 to the count of the last receive - 1.
    ///   - body: what to do with it; it must not receive.
    /// - Returns: what `body` returned; `nil` if there is no such message.
    package func withMessage<Result>(
        _ index: Int,
        _ body: (borrowing DatagramMessage) -> Result
    ) -> Result? {
        guard let buffers = unsafe buffers, index < (unsafe received) else { return nil }
        return unsafe body(buffers.details[index])
    }

    /// Stops sending several datagrams as one message: the kernel has refused one.
    func stopSegmenting() {
        unsafe segments = false
    }
}

@available(*, unavailable)
extension DatagramBatch: Sendable {}
