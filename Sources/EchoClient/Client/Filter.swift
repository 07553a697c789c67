import EchoSockets
import Glibc

/// An echo client in a pipeline: what it reads goes to the server, what comes back is written.
///
/// It reads while it sends, so it cannot deadlock with the server however much is in flight, and it
/// holds no more than two buffers of 64 KiB; if it compares what comes back with what was sent, it
/// also holds up to 16 MiB that have not come back, and sends no more meanwhile. The standard
/// streams are shared with other processes, so they are never made non-blocking: it waits for
/// readiness with poll(2), and writes no more than a ready pipe takes without blocking.
package struct Filter: ~Copyable {
    private let input: CInt
    private let output: CInt
    private let outputLimit: Int
    private var toServer = TransferBuffer(capacity: 64 * 1024)
    private var toOutput = TransferBuffer(capacity: 64 * 1024)
    private var inputHasEnded = false
    private var hasHalfClosed = false
    private var sendError: Errno?
    private var connectionEnd: FilterResult.End?
    private var result = FilterResult()
    private var limit: AnswerLimit
    private let verifier: AnswerVerifier?

    /// A filter between two descriptors, which stay open.
    ///
    /// - Parameters:
    ///   - input: where to read; standard input by default.
    ///   - output: where to write; standard output by default.
    ///   - timeout: how long the server may stall while it owes something; `nil` means for ever.
    ///     Time during which the output is full does not count.
    ///   - verifies: whether to compare what comes back with what was sent. It is written unchanged
    ///     in either case.
    package init(
        input: CInt = STDIN_FILENO,
        output: CInt = STDOUT_FILENO,
        timeout: Duration? = nil,
        verifies: Bool = false
    ) {
        self.input = input
        self.output = output
        limit = AnswerLimit(timeout)
        verifier = verifies ? AnswerVerifier() : nil
        var status = stat()
        let isFile = unsafe fstat(output, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        // A pipe that poll(2) calls writable takes PIPE_BUF bytes without blocking, pipe(7).
        outputLimit = isFile ? .max : Int(PIPE_BUF)
    }

    /// Runs to the end of the input and of the connection.
    ///
    /// Blocks; any thread.
    package consuming func run(_ connection: borrowing ConnectedSocket) -> FilterResult {
        withoutBrokenPipeSignal { finish(connection.socket) }
    }

    private mutating func finish(_ socket: borrowing Socket) -> FilterResult {
        while true {
            let isOver = connectionEnd != nil && toOutput.isEmpty
            if let end = isOver ? connectionEnd : turn(socket) {
                result.end = end
                result.fault = verifier?.fault
                return result
            }
        }
    }

    // Waits until bytes can be moved, and moves them.
    private mutating func turn(_ socket: borrowing Socket) -> FilterResult.End? {
        let reads = !inputHasEnded && toServer.isEmpty && connectionEnd == nil
        var socketEvents: Int32 = 0
        if toOutput.isEmpty { socketEvents |= POLLIN }
        if !toServer.isEmpty, room > 0 { socketEvents |= POLLOUT }
        var entries = (
            pollfd(fd: reads ? input : -1, events: Int16(POLLIN), revents: 0),
            pollfd(
                fd: connectionEnd == nil && socketEvents != 0 ? socket.number : -1,
                events: Int16(socketEvents),
                revents: 0
            ),
            // With no event requested, poll(2) reports that no process reads the other end (PF-7).
            pollfd(fd: output, events: Int16(toOutput.isEmpty ? 0 : POLLOUT), revents: 0)
        )
        let timeout = limit.pollTimeout(isOwed: isAnswerOwed)
        _ = transferCall {
            unsafe withUnsafeMutableBytes(of: &entries) { bytes in
                unsafe Int(poll(bytes.assumingMemoryBound(to: pollfd.self).baseAddress, 3, timeout))
            }
        }
        if entries.0.revents == 0, entries.1.revents == 0, entries.2.revents == 0, limit.isOver {
            return .timedOut(missing: owed)
        }
        if entries.2.revents != 0, let end = writeOutput() { return end }
        if entries.0.revents != 0, let end = readInput() { return end }
        if entries.1.revents & ~Int16(POLLOUT) != 0 { receive(socket) }
        if entries.1.revents & Int16(POLLOUT) != 0 { send(socket) }
        halfCloseIfDone(socket)
        return nil
    }

    // How much may be sent now.
    private var room: Int { verifier?.room ?? .max }

    private var owed: Int { result.sent + toServer.count - result.received }

    // Not while the output is the bottleneck.
    private var isAnswerOwed: Bool {
        connectionEnd == nil && toOutput.isEmpty && (owed > 0 || hasHalfClosed)
    }

    private mutating func readInput() -> FilterResult.End? {
        var count = 0
        let number = input
        unsafe toServer.fill { room in
            count = transferCall { unsafe read(number, room.baseAddress, room.count) }
            return count
        }
        if count == 0 { inputHasEnded = true }
        return count < 0 && count != -Int(EAGAIN)
            ? .inputFailed(Errno(rawValue: CInt(-count))) : nil
    }

    private mutating func writeOutput() -> FilterResult.End? {
        if toOutput.isEmpty { return .outputClosed }
        var count = 0
        let number = output
        unsafe toOutput.drain(atMost: outputLimit) { bytes in
            count = transferCall { unsafe write(number, bytes.baseAddress, bytes.count) }
            return count
        }
        switch -count {
        case Int(EPIPE): return .outputClosed
        case let error where error > 0 && error != Int(EAGAIN):
            return .outputFailed(Errno(rawValue: CInt(error)))
        default: return nil
        }
    }

    private mutating func send(_ socket: borrowing Socket) {
        var transfer = Transfer.wouldBlock
        let verifier = verifier
        unsafe toServer.drain(atMost: room) { bytes in
            transfer = unsafe socket.send(bytes)
            guard case .bytes(let count) = transfer else { return 0 }
            unsafe verifier?.send(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
            return count
        }
        switch transfer {
        case .bytes(let count):
            result.sent += count
            limit.restart()
        case .failed(let error):
            // What the server sent before the reset can still be received (CO-7).
            sendError = error
            toServer.clear()
            inputHasEnded = true
        case .endOfStream, .wouldBlock, .interrupted: break
        }
    }

    private mutating func receive(_ socket: borrowing Socket) {
        guard toOutput.isEmpty else { return }
        var transfer = Transfer.wouldBlock
        let verifier = verifier
        unsafe toOutput.fill { room in
            transfer = unsafe socket.receive(into: room)
            guard case .bytes(let count) = transfer else { return 0 }
            unsafe verifier?.receive(UnsafeRawBufferPointer(rebasing: room[..<count]))
            return count
        }
        switch transfer {
        case .bytes(let count):
            result.received += count
            limit.restart()
        case .failed(let error): connectionEnd = .connectionLost(error)
        case .endOfStream: connectionEnd = endOfStream()
        case .wouldBlock, .interrupted: break
        }
    }

    private func endOfStream() -> FilterResult.End {
        if let sendError { return .connectionLost(sendError) }
        let owed = owed
        if owed < 0 { return .surplus(-owed) }
        return hasHalfClosed && owed == 0 ? .complete : .endedEarly(missing: owed)
    }

    private mutating func halfCloseIfDone(_ socket: borrowing Socket) {
        guard inputHasEnded, toServer.isEmpty, !hasHalfClosed, sendError == nil else { return }
        hasHalfClosed = true
        limit.restart()
        socket.shutdown(.sending)
    }
}
