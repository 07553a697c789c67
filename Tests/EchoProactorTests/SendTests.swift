import EchoProactor
import EchoSockets
import EchoTestSupport
import EchoWinsock
import Glibc
import Testing

@Suite(.timeLimit(.minutes(5)))
struct SendTests {
    // Lives longer than any test's port.
    private let keeper = Keeper()

    @Test func `OV-5: a send that does not fit completes once, with all bytes`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try adoptedPair(by: port, options: .skipsPacketOnSuccess)
        let sent = (0..<2_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        let submission = unsafe sent.withUnsafeBytes {
            unsafe port.send($0, on: handle, keeping: keeper.keep)
        }
        #expect(submission == .pending)
        var received: [UInt8] = []
        var packets: [Seen] = []
        while received.count < sent.count {
            let bytes = peer.receive()
            received += bytes
            packets += worker.rest()
        }
        #expect(received == sent)
        #expect(packets.map(\.byteCount) == [sent.count])
        #expect(packets.first?.kind == .send && packets.first?.error == nil)
    }

    @Test func `OV-7: sends transmit in the order of posting`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try adoptedPair(by: port, options: .skipsPacketOnSuccess)
        let block = 300_000
        var expected: [UInt8] = []
        for letter in UInt8(65)...70 {
            let bytes = [UInt8](repeating: letter, count: block)
            expected += bytes
            _ = unsafe bytes.withUnsafeBytes {
                unsafe port.send($0, on: handle, keeping: keeper.keep)
            }
        }
        var received: [UInt8] = []
        while received.count < expected.count {
            received += peer.receive()
            _ = worker.rest()
        }
        #expect(received == expected)
    }

    @Test func `a send to a peer that is gone fails that send alone`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try adoptedPair(by: port)
        let (other, otherPeer) = try adoptedPair(by: port)
        peer.close()
        #expect(port.send("x", on: handle) == .refused(Errno(rawValue: EPIPE)))
        #expect(worker.rest().isEmpty, "OV-1: what is refused is not indicated")
        #expect(port.send("y", on: other) == .completed(bytes: 1))
        #expect(otherPeer.receive() == [UInt8(ascii: "y")])
    }

    @Test func `OV-8: closing aborts a send that waits, and says how much was sent`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try adoptedPair(by: port, options: .skipsPacketOnSuccess)
        let bytes = [UInt8](repeating: 1, count: 4_000_000)
        let submission = unsafe bytes.withUnsafeBytes {
            unsafe port.send($0, on: handle, keeping: keeper.keep)
        }
        #expect(submission == .pending)
        port.close(handle)
        let packets = worker.rest()
        #expect(packets.map(\.error) == [cancelled])
        #expect(packets.map(\.kind) == [.send])
        #expect((1..<4_000_000).contains(packets.first?.byteCount ?? 0))
        peer.close()
    }
}
