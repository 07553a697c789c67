import CEchoLinux
import Glibc

extension DatagramBatch {
    /// Sends datagrams of a received message back to where they came from, with the next
    /// ``flush(to:)`` at the latest.
    ///
    /// They leave from the address that they were sent to.
    ///
    /// - Parameters:
    ///   - datagrams: which of the message's.
    ///   - index: the message, as in ``withMessage(_:_:)``.
    ///   - number: the socket's descriptor.
    package func answer(_ datagrams: Range<Int>, of index: Int, to number: CInt) {
        var rest = datagrams
        while !rest.isEmpty {
            let limit = unsafe segments ? Self.segmentLimit : 1
            let part = rest.prefix(limit)
            append(part, of: index, to: number)
            rest = rest.dropFirst(limit)
        }
    }

    private func append(_ datagrams: Range<Int>, of index: Int, to number: CInt) {
        if unsafe answerCount == Self.answerCapacity { flush(to: number) }
        guard let buffers = unsafe buffers else { return }
        let place = unsafe answerCount
        let message = unsafe buffers.details[index]
        let range = message.range(datagrams)
        unsafe buffers.answerVectors[place] = iovec(
            iov_base: UnsafeMutableRawPointer(mutating: message.bytes.baseAddress).map {
                unsafe $0 + range.lowerBound
            },
            iov_len: range.count
        )
        unsafe buffers.counts[place] = datagrams.count
        // The name is where the receive has put it.
        let received = unsafe buffers.headers[index].header
        unsafe buffers.answers[place].header.msg_name = received.msg_name
        unsafe buffers.answers[place].header.msg_namelen = received.msg_namelen
        unsafe writeControl(message, isSeveral: datagrams.count > 1, buffers.answers + place)
        unsafe answerCount = place + 1
    }

    private func writeControl(
        _ message: DatagramMessage,
        isSeveral: Bool,
        _ answer: UnsafeMutablePointer<clinux_mmsghdr>
    ) {
        guard let start = unsafe answer.pointee.header.msg_control else { return }
        var control = unsafe DatagramControl(at: start)
        if statesSource, let local = message.local { control.append(source: local, family) }
        if isSeveral { control.append(length: message.length) }
        unsafe answer.pointee.header.msg_controllen = control.size
    }

    /// Sends what ``answer(_:of:to:)`` has collected; never waits.
    ///
    /// The corresponding C function is `sendmmsg`, with `MSG_DONTWAIT`. What the kernel does not
    /// take is dropped: ``takeOutcome()`` says how many.
    package func flush(to number: CInt) {
        guard let buffers = unsafe buffers else { return }
        let count = unsafe answerCount
        unsafe answerCount = 0
        var next = 0
        while next < count {
            let rest = CUnsignedInt(count - next)
            let sent = transferCall {
                rest > 1
                    ? unsafe Int(
                        clinux_sendmmsg(number, buffers.answers + next, rest, sendFlags)
                    )
                    : unsafe sendmsg(number, &buffers.answers[next].header, sendFlags) < 0 ? -1 : 1
            }
            if sent > 0 {
                for place in next..<(next + sent) { noteSent(place, buffers) }
                next += sent
            } else {
                // Of the first: the others may go elsewhere.
                fail(next, Errno(rawValue: CInt(-sent)), number, buffers)
                next += 1
            }
        }
    }

    private func noteSent(_ place: Int, _ buffers: DatagramBuffers) {
        unsafe outcome.sent += buffers.counts[place]
        unsafe outcome.sentBytes += buffers.answerVectors[place].iov_len
    }

    private func fail(_ place: Int, _ error: Errno, _ number: CInt, _ buffers: DatagramBuffers) {
        let count = unsafe buffers.counts[place]
        if count > 1, error.refusesSegments {
            stopSegmenting()
            return unsafe sendSingly(&buffers.answers[place].header, count, number)
        }
        unsafe outcome.failed += count
        unsafe outcome.error = error
    }

    // The length of the datagrams is the last that was written, in the last two of its bytes.
    private func sendSingly(_ header: inout msghdr, _ count: Int, _ number: CInt) {
        let segmentSize = 24
        let controlSize = unsafe header.msg_controllen - segmentSize
        guard let control = unsafe header.msg_control, let vector = unsafe header.msg_iov else {
            return
        }
        let length = unsafe Int(
            control.load(fromByteOffset: controlSize + 16, as: UInt16.self)
        )
        unsafe header.msg_controllen = controlSize
        let (start, size) = unsafe (vector.pointee.iov_base, vector.pointee.iov_len)
        for index in 0..<count {
            let offset = index * length
            unsafe vector.pointee.iov_base = start.map { unsafe $0 + offset }
            unsafe vector.pointee.iov_len = min(length, size - offset)
            let sent = transferCall { unsafe sendmsg(number, &header, sendFlags) }
            if sent >= 0 {
                unsafe outcome.sent += 1
                unsafe outcome.sentBytes += sent
            } else {
                unsafe outcome.failed += 1
                unsafe outcome.error = Errno(rawValue: CInt(-sent))
            }
        }
    }
}

private let sendFlags = CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL)

extension Errno {
    /// Whether a message of several datagrams fails with it because the kernel cannot split it, for
    /// example because they are longer than the path to the receiver takes (udp(7)).
    fileprivate var refusesSegments: Bool {
        rawValue == EIO || rawValue == EINVAL || rawValue == EMSGSIZE
    }
}
