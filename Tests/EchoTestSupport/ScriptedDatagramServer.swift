package import EchoSockets
import Synchronization

/// A UDP server that answers as a test wants it to, on a thread of its own, until it is let go.
package final class ScriptedDatagramServer: Sendable {
    /// Where it is bound.
    package let address: SocketAddress
    private let isStopped = Atomic(false)
    private let answered = Atomic(0)

    /// Starts it.
    ///
    /// - Parameters:
    ///   - address: where to bind it.
    ///   - answers: what it sends back for a datagram; is told how many came before, and its bytes.
    /// - Throws: why it cannot be bound.
    package init(
        at address: SocketAddress = .loopback(port: 0),
        _ answers: @escaping @Sendable (_ number: Int, _ bytes: [UInt8]) -> [[UInt8]]
    ) throws {
        let socket = try DatagramClient(at: address)
        self.address = socket.address
        try Thread(name: "datagrams", stackSize: testStackSize) { [weak self] in
            while self?.isStopped.load(ordering: .acquiring) == false {
                let received = try? socket.receive(within: .milliseconds(50))
                guard let received else { continue }
                self?.answer(received, socket, answers)
            }
        }.detach()
    }

    deinit {
        isStopped.store(true, ordering: .releasing)
    }

    private func answer(
        _ received: DatagramClient.Received,
        _ socket: DatagramClient,
        _ answers: (Int, [UInt8]) -> [[UInt8]]
    ) {
        let number = answered.wrappingAdd(1, ordering: .relaxed).oldValue
        for answer in answers(number, received.bytes) {
            try? socket.send(answer, to: received.source)
        }
    }

    /// How many datagrams have come.
    package var count: Int { answered.load(ordering: .relaxed) }
}
