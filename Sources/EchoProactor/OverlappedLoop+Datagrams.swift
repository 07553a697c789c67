package import EchoSockets
package import EchoWinsock

extension OverlappedLoop {
    /// Takes a datagram socket over.
    ///
    /// - Parameter socket: closed if this throws.
    /// - Returns: the name of the socket from now on.
    /// - Throws: what `epoll_ctl` gave.
    package func adopt(_ socket: consuming DatagramSocket) throws(SystemError) -> SocketHandle {
        let number = socket.release()
        do throws(SystemError) {
            var handle = SocketHandle.none
            try sockets.insert { made throws(SystemError) in
                handle = made
                try epoll.add(number, word: made.word, .input)
                return AdoptedSocket.make(SocketState(number))
            }
            return handle
        } catch {
            _ = Descriptor(adopting: number)
            throw error
        }
    }

    /// Posts a receive of datagrams.
    ///
    /// The corresponding Winsock function is `WSARecvFrom`.
    ///
    /// Completes when there are some, with the number of messages as its number of bytes, or with
    /// an error; then it may be posted again, in either case. Never completes before it returns.
    ///
    /// - Parameters:
    ///   - operation: one for datagrams.
    ///   - batch: where they are received; kept by the caller until it has completed.
    ///   - handle: where from.
    /// - Returns: ``Submission/pending``, or why it was refused.
    package func receiveFrom(
        _ operation: Operation,
        into batch: DatagramBatch,
        on handle: SocketHandle
    ) -> Submission {
        sockets.with(handle) { socket -> Submission in
            let state = unsafe socket.state
            guard operation.begin(.receiveFrom) else { return .busy }
            operation.batch = batch
            unsafe state.pointee.receives.append(operation)
            unsafe state.pointee.pendingCount += 1
            unsafe requeue(state, handle)
            return .pending
        } ?? .staleSocket
    }
}
