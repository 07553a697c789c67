import EchoSockets

/// A datagram socket, and where its datagrams are received.
final class AdoptedDatagrams: AdoptedSource {
    private let socket: DatagramSocket
    private let batch: DatagramBatch

    init(_ socket: consuming DatagramSocket, _ batch: DatagramBatch) {
        self.socket = socket
        self.batch = batch
    }

    var number: CInt { socket.number }

    override func bring(_ state: inout SocketState) -> Int? {
        let count = state.receive(into: batch)
        return count == -TransferError.wouldBlock ? nil : count
    }
}
