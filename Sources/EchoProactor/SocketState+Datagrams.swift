import EchoSockets

// Datagrams: received in batches, and the same for both engines.
extension SocketState {
    /// Receives for an operation that has a batch.
    mutating func receiveDatagrams(_ operation: Operation) -> Int {
        guard let batch = operation.batch else { return -TransferError.wouldBlock }
        return receive(into: batch)
    }

    /// Receives a batch of datagrams.
    ///
    /// - Returns: the number of messages, or a negated error.
    mutating func receive(into batch: DatagramBatch) -> Int {
        let count = batch.receive(from: number)
        spend(0)
        // A batch that is not full was the last: the next datagram gives an edge (PR-3). Unless it
        // is likely to have come by the next time.
        if count >= 0, count < DatagramBatch.capacity, !batch.expectsMore {
            flags.remove(.receiveReady)
        }
        if count == -TransferError.wouldBlock { noteReceiveWouldBlock() }
        return count
    }
}
