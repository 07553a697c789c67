package import EchoProactor
package import EchoSockets
import EchoWinsock
import Glibc

/// A client's connection on an ``OverlappedLoop``: overlapped connect, receive and send, whose
/// completion routines tell its user.
///
/// Belongs to the loop's thread. Close it when it is done: it keeps its user until then.
@safe package final class Channel<User: ChannelUser> {
    /// The outcome of an attempt to connect.
    package enum Attempt {
        /// Established, or under way: the user is told.
        case started
        /// The queue of the server's Unix socket is full (unix(7)): try again later.
        case queueFull
        /// There is no connection.
        case failed(SystemError)
    }

    /// The outcome of a send.
    package enum Send {
        /// The kernel has taken all bytes.
        case taken
        /// The rest waits for room: the user is told.
        case waits
        /// The connection is broken.
        case failed(SystemError)
    }

    private let loop: OverlappedLoop
    private var user: User?
    private var handle = SocketHandle.none
    private let reading = Operation()
    private let writing = Operation()
    private var rest: UnsafeMutableRawBufferPointer?
    // Bytes of the last send.
    private var sending = 0

    /// The most bytes of the next receives; none are posted while it is 0.
    ///
    /// Once it is raised from 0, call ``resume()``.
    package var receiveLimit = Int.max

    /// A channel that is not connected.
    package init(_ loop: OverlappedLoop, user: User) {
        self.loop = loop
        self.user = user
        reading.routine = { _, _, operation in Self.owner(of: operation)?.hasReceived() }
        writing.routine = { _, _, operation in Self.owner(of: operation)?.hasWritten() }
    }

    // A reference is counted while the routine runs: the user may close the channel and let it go.
    private static func owner(of operation: EchoProactor.Operation) -> Channel? {
        operation.withOwner(Channel<User>.self) { $0 }
    }

    deinit {
        unsafe rest?.deallocate()
    }

    /// Whether it has a socket: from the attempt to connect until it is closed.
    package var isOpen: Bool { handle != .none }

    /// Whether a send waits for room.
    package var isSending: Bool { writing.isPending }

    /// Bytes of the last send that the kernel has not taken.
    package var unsentCount: Int { sending - writing.sentCount }

    /// Opens a socket and connects it, with `TCP_NODELAY`.
    ///
    /// - Parameters:
    ///   - address: the server.
    ///   - isUrgentInline: whether urgent bytes are received in their place.
    /// - Returns: whether the user is going to be told how it ended.
    package func connect(to address: SocketAddress, isUrgentInline: Bool = false) -> Attempt {
        do throws(SystemError) {
            let socket = try Socket(family: address.family)
            if address.family != AF_UNIX { try socket.setNoDelay() }
            if isUrgentInline { try? socket.setUrgentInline() }
            return connect(socket, to: address)
        } catch {
            return .failed(error)
        }
    }

    /// Connects a socket that has the options of the caller's choice.
    ///
    /// - Parameters:
    ///   - socket: not connected yet; closed if there is no connection.
    ///   - address: the server.
    /// - Returns: whether the user is going to be told how it ended.
    package func connect(_ socket: consuming Socket, to address: SocketAddress) -> Attempt {
        do throws(SystemError) {
            let (handle, outcome) = try loop.connect(
                socket,
                to: address,
                with: writing,
                options: .skipsPacketOnSuccess
            )
            return begin(handle, outcome)
        } catch {
            return .failed(error)
        }
    }

    private func begin(_ handle: SocketHandle, _ outcome: Submission) -> Attempt {
        self.handle = handle
        switch outcome {
        case .completed:
            reading.owner = self
            writing.owner = self
            loop.queueRoutine(of: writing)
        case .pending:
            reading.owner = self
            writing.owner = self
        case .refused(let error):
            close()
            return error.isWouldBlock
                ? .queueFull : .failed(SystemError(call: "connect", errno: error))
        }
        return .started
    }

    /// Posts a receive, and, as long as something is there, further ones.
    package func resume() {
        while receiveLimit > 0, isOpen, !reading.isPending {
            reading.receiveLimit = receiveLimit
            switch loop.receive(reading, on: handle) {
            case .completed: deliver()
            case .pending: return
            case .refused(let error): fail("recv", error)
            }
        }
    }

    private func hasReceived() {
        if case .failure(let error) = reading.result {
            fail("recv", error)
        } else {
            deliver()
            resume()
        }
    }

    private func deliver() {
        let bytes = unsafe reading.bytes
        if unsafe bytes.isEmpty {
            receiveLimit = 0
            user?.channelEnded()
        } else {
            unsafe user?.channelReceived(bytes)
        }
    }

    /// Sends.
    ///
    /// - Parameter bytes: free again when this returns. Nothing may wait for room.
    /// - Returns: whether all has been taken; what is left goes by itself.
    package func send(_ bytes: UnsafeRawBufferPointer) -> Send {
        let outcome = unsafe loop.send(bytes, with: writing, on: handle, keeping: keep)
        switch outcome {
        case .completed:
            sending = bytes.count
            return .taken
        case .pending:
            sending = bytes.count
            return .waits
        case .refused(let error): return .failed(SystemError(call: "send", errno: error))
        }
    }

    /// Sends a byte as urgent data; no send may wait for room.
    ///
    /// The corresponding Winsock flag is `MSG_OOB`.
    ///
    /// - Returns: `.wouldBlock` if there is no room for it, which nothing tells the end of.
    package func sendUrgent(_ byte: UInt8) -> Transfer {
        let outcome = withSocket { socket in
            unsafe withUnsafeBytes(of: byte) { unsafe socket.send($0, flags: CInt(MSG_OOB)) }
        }
        return outcome ?? .failed(Errno(rawValue: ENOTSOCK))
    }

    private func keep(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        if unsafe (rest?.count ?? 0) < bytes.count {
            unsafe rest?.deallocate()
            unsafe rest = .allocate(byteCount: bytes.count, alignment: 16)
        }
        guard let rest = unsafe rest else { return unsafe bytes }
        unsafe rest.copyMemory(from: bytes)
        return unsafe UnsafeRawBufferPointer(rebasing: rest[..<bytes.count])
    }

    private func hasWritten() {
        if case .failure(let error) = writing.result {
            fail(writing.kind == .connect ? "connect" : "send", error)
        } else if writing.kind == .connect {
            user?.channelOpened()
        } else {
            user?.channelSent()
        }
    }

    private func fail(_ call: StaticString, _ error: Errno) {
        guard isOpen else { return }
        receiveLimit = 0
        user?.channelFailed(SystemError(call: call, errno: error))
    }

    /// Runs a body with the socket, for options and addresses.
    package func withSocket<Result>(_ body: (borrowing Socket) -> Result) -> Result? {
        loop.withSocket(handle, body)
    }

    /// Ends the stream to the server, which may still send.
    package func endSending() {
        loop.shutdown(.sending, on: handle)
    }

    /// Closes the connection; the user is told nothing more.
    ///
    /// - Parameter byReset: whether the server sees a reset instead of an end.
    package func close(byReset: Bool = false) {
        guard isOpen else { return }
        user = nil
        if byReset { loop.withSocket(handle) { $0.setResetOnClose() } }
        loop.close(handle)
        handle = .none
        loop.returnBuffer(of: reading)
        reading.owner = nil
        writing.owner = nil
    }
}
