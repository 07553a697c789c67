package import EchoSockets
package import EchoWinsock
import Glibc

extension OverlappedLoop {
    /// Connects a socket, and takes it over.
    ///
    /// The corresponding Winsock function is `ConnectEx`.
    ///
    /// Completes when the connection is established, or has failed. What is sent meanwhile waits
    /// behind it.
    ///
    /// - Parameters:
    ///   - socket: not connected yet; closed if this throws.
    ///   - address: the server.
    ///   - operation: what is indicated.
    ///   - options: how the socket is treated.
    /// - Returns: the name of the socket from now on, and the three outcomes of OV-1: `.completed`
    ///   if the connection is established, `.refused(.EAGAIN)` where the queue of a Unix socket is
    ///   full (unix(7)). After a refusal the socket is still to be closed.
    /// - Throws: what `epoll_ctl` gave.
    package func connect(
        _ socket: consuming Socket,
        to address: SocketAddress,
        with operation: Operation,
        options: AdoptionOptions = []
    ) throws(SystemError) -> (handle: SocketHandle, outcome: Submission) {
        let isConnected: Bool
        var refusal: Errno?
        do throws(SystemError) {
            isConnected = try socket.connect(to: address)
        } catch {
            isConnected = false
            refusal = error.errno
        }
        // Watched from now on only: before, the kernel reports a hang-up.
        let handle = try adopt(socket, options: options)
        if let refusal { return (handle, .refused(refusal)) }
        let outcome = sockets.with(handle) { adopted -> Submission in
            let state = unsafe adopted.state
            guard operation.begin(.connect) else { return .busy }
            if isConnected { return settle(operation, 0, unsafe state.pointee.flags) }
            unsafe state.pointee.flags.remove(.sendReady)
            let nothing = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
            unsafe state.pointee.enqueue(operation, nothing, sent: 0)
            return .pending
        }
        return (handle, outcome ?? .staleSocket)
    }

    /// Queues the routine of an operation that has ended at once, on a socket that does not do so
    /// by itself.
    package func queueRoutine(of operation: Operation) {
        if operation.hasRoutine, !operation.isPending {
            unsafe indicate(.passRetained(operation))
        }
    }

    /// Cancels what is pending on a socket, which stays open.
    ///
    /// The corresponding Windows function is `CancelIoEx`.
    ///
    /// Each operation is indicated as failed with `ECANCELED` (OV-8). A send may have sent a part
    /// of its bytes by then.
    ///
    /// - Returns: whether anything was pending.
    @discardableResult
    package func cancel(_ handle: SocketHandle) -> Bool {
        sockets.with(handle) { socket in
            let state = unsafe socket.state
            var hasCancelled = false
            while let aborted = unsafe state.pointee.nextAborted() {
                unsafe indicate(aborted)
                hasCancelled = true
            }
            return hasCancelled
        } ?? false
    }

    /// Lets an operation complete at a moment.
    ///
    /// The corresponding Windows function is `SetWaitableTimer` with a completion routine.
    ///
    /// - Parameters:
    ///   - operation: what is indicated.
    ///   - moment: when, at the earliest.
    /// - Returns: `.pending`, or `.refused(.EBUSY)` if the operation is under way.
    @discardableResult
    package func wait(_ operation: Operation, until moment: MonotonicTime) -> Submission {
        guard operation.begin(.timer) else { return .busy }
        withMemory { unsafe $0.timers.insert(.passRetained(operation), moment) }
        return .pending
    }

    /// Cancels the wait for a moment: indicated as failed with `ECANCELED`.
    ///
    /// The corresponding Windows function is `CancelWaitableTimer`, after which, unlike here, no
    /// completion is queued.
    ///
    /// - Returns: whether it was under way.
    @discardableResult
    package func cancelWait(_ operation: Operation) -> Bool {
        guard operation.isPending, operation.kind == .timer,
            let timer = unsafe withMemory({ unsafe $0.timers.remove(operation) })
        else { return false }
        operation.finish(number: CInt(TransferError.cancelled), count: 0)
        unsafe indicate(timer)
        return true
    }

    /// Indicates the waits whose moment has come.
    func expireTimers() {
        let now = MonotonicTime.now
        while let timer = unsafe withMemory({ unsafe $0.timers.removeFirst(dueBy: now) }) {
            unsafe timer._withUnsafeGuaranteedRef { $0.finish(number: 0, count: 0) }
            unsafe indicate(timer)
        }
    }
}
