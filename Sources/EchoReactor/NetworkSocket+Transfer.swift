package import EchoSockets
import EchoWinsock
import Glibc

extension NetworkSocket {
    /// Receives available bytes and re-enables `read` (AS-4).
    ///
    /// The corresponding function is `recv`.
    ///
    /// Takes bytes read ahead first, without a system call. If more is requested and the kernel
    /// probably has more, receives that too. Remaining bytes are reported again at once (AS-5).
    ///
    /// - Parameters:
    ///   - buffer: where to store them.
    ///   - peeking: whether the bytes stay where they are (`MSG_PEEK`).
    /// - Returns: the result; `.failed` with `ENOTSOCK` once closed.
    package func receive(
        into buffer: UnsafeMutableRawBufferPointer,
        peeking: Bool = false
    ) -> Transfer {
        defer { enableRead() }
        if !ahead.isEmpty { return unsafe takeAhead(into: buffer, peeking: peeking) }
        if hasEnded { return closeError.errno.map(Transfer.failed) ?? .endOfStream }
        isSpliced = false
        return unsafe receiveDirectly(into: buffer, flags: peeking ? CInt(MSG_PEEK) : 0)
    }

    /// Moves available bytes into a pipe and re-enables `read`, as `receive` does.
    ///
    /// From now on the loop reports bytes without reading them ahead, until they are received with
    /// none left from before. No Winsock function corresponds; the C function is `splice`.
    ///
    /// - Parameters:
    ///   - pipe: where to move them.
    ///   - limit: the most bytes.
    /// - Returns: the result; `nil` if they must be received, because some were read ahead.
    package func receive(into pipe: inout SplicePipe, atMost limit: Int) -> Transfer? {
        isSpliced = true
        guard ahead.isEmpty, !hasEnded, number >= 0 else { return nil }
        let outcome = pipe.fill(from: number, atMost: limit)
        switch outcome {
        case .bytes: enableRead()
        case .failed(let error): end(error)
        default: break
        }
        return outcome
    }

    /// Sends what fits of what a pipe holds; if not everything did, `write` is reported when there
    /// is room again (AS-7).
    ///
    /// The corresponding C function is `splice`.
    package func send(from pipe: inout SplicePipe) -> Transfer {
        guard number >= 0 else { return .failed(.notASocket) }
        let outcome = pipe.drain(to: number)
        switch outcome {
        case .bytes where pipe.count > 0: return sendBlocked(outcome)
        case .wouldBlock: return sendBlocked(outcome)
        case .failed(let error): return sendFailed(error)
        default: return outcome
        }
    }

    private func takeAhead(
        into buffer: UnsafeMutableRawBufferPointer,
        peeking: Bool
    ) -> Transfer {
        let count = unsafe ahead.copy(to: buffer)
        if peeking { return .bytes(count) }
        ahead.drop(count)
        guard ahead.isEmpty else { return .bytes(count) }
        let mayHaveMore = ahead.wasFull
        releaseAhead()
        guard mayHaveMore, count < buffer.count else { return .bytes(count) }
        let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
        if case .bytes(let more) = unsafe receiveDirectly(into: rest, flags: 0) {
            return .bytes(count + more)
        }
        return .bytes(count)
    }

    private func receiveDirectly(
        into buffer: UnsafeMutableRawBufferPointer,
        flags: CInt
    ) -> Transfer {
        guard number >= 0 else { return .failed(.notASocket) }
        let outcome = unsafe Socket.receive(from: number, into: buffer, flags: flags)
        switch outcome {
        case .endOfStream: end(nil)
        case .failed(let error) where connectionPhase == .connected: end(error)
        default: break
        }
        return outcome
    }

    // The condition decides, not the call's outcome (CO-5).
    private func enableRead() {
        silenced.subtract(.read)
        if !ahead.isEmpty {
            report(.read, now: true)
        } else if !isReading && !selection.isEmpty {
            resumeReading()
        }
    }

    /// Receives the urgent byte and re-enables `outOfBand`.
    ///
    /// The corresponding function is `recv` with `MSG_OOB`.
    ///
    /// - Returns: the byte; `nil` if there is none, or it is in the stream (`SO_OOBINLINE`).
    package func receiveUrgent() -> UInt8? {
        var byte: UInt8 = 0
        let outcome = unsafe withUnsafeMutableBytes(of: &byte) { buffer in
            unsafe Socket.receive(from: number, into: buffer, flags: CInt(MSG_OOB))
        }
        silenced.subtract(.outOfBand)
        if selection.contains(.outOfBand) && hasUrgentByte { report(.outOfBand, now: true) }
        return outcome == .bytes(1) ? byte : nil
    }

    /// Sends what fits; if not everything did, `write` is reported when there is room again (AS-7).
    ///
    /// The corresponding function is `send`.
    ///
    /// - Parameters:
    ///   - bytes: what to send.
    ///   - flags: such as `MSG_OOB`.
    /// - Returns: the result; `.failed` with `ENOTSOCK` once closed, and with the reason if `write`
    ///   was due and cannot be reported.
    package func send(_ bytes: UnsafeRawBufferPointer, flags: CInt = 0) -> Transfer {
        guard number >= 0 else { return .failed(.notASocket) }
        let outcome = unsafe Socket.send(bytes, to: number, flags: flags)
        switch outcome {
        case .bytes(let count) where count < bytes.count: return sendBlocked(outcome)
        case .wouldBlock: return sendBlocked(outcome)
        case .failed(let error): return sendFailed(error)
        default: return outcome
        }
    }

    // The kernel reports a reset once; the end that is read next, and every later failed send,
    // follow from it. For a peer that had ended its stream it returns EPIPE (CO-7), and likewise
    // without a connection.
    private func sendFailed(_ error: Errno) -> Transfer {
        guard connectionPhase == .connected else { return .failed(Errno(rawValue: ENOTCONN)) }
        guard error.rawValue == ECONNRESET || (error.rawValue == EPIPE && !hasShutDownSending)
        else { return .failed(error) }
        let reset = Errno(rawValue: ECONNRESET)
        if closeError.errno == nil { closeError = CompactErrno(reset) }
        return .failed(reset)
    }

    // Otherwise an application that is never notified of room would wait for ever.
    private func sendBlocked(_ outcome: Transfer) -> Transfer {
        isSendBlocked = true
        guard selection.contains(.write) else { return outcome }
        do {
            try armWrite()
            return outcome
        } catch {
            return .failed(error.errno)
        }
    }
}
