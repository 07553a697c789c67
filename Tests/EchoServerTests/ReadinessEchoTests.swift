import EchoSockets
import EchoTestSupport
import Glibc
import Testing

@testable import EchoServer

private func payload(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 1) }
}

@Suite(.timeLimit(.minutes(5)))
struct ReadinessEchoTests {
    private static let reset = Errno(rawValue: ECONNRESET)

    @Test func `SB-4: every byte value comes back, NUL included`() {
        let bytes = (0...255).map { UInt8($0) } + [0, 0, 0]
        let stream = ScriptedStream([.bytes(bytes)])
        let probe = SessionProbe()
        probe.run(stream)
        #expect(stream.sent == bytes)
        #expect(probe.state.closeCause == .peerClosed)
        #expect(probe.totals.bytesReceived == 259)
        #expect(probe.totals.bytesSent == 259)
        #expect(probe.violations == [])
    }

    @Test(arguments: 1...9)
    func `CO-8, SB-5: partial writes of every length lose and repeat nothing`(_ count: Int) {
        let bytes = payload(count)
        for first in 0...count {
            for second in 0...(count - first) {
                let stream = ScriptedStream(
                    [.bytes(bytes), .wouldBlock],
                    sending: [.bytes(first), .wouldBlock, .bytes(second), .wouldBlock]
                )
                let probe = SessionProbe()
                probe.read(stream)
                #expect(probe.owed == Array(bytes[first...]))
                #expect(probe.demand.contains(.send) == (first < count))
                probe.run(stream)
                #expect(stream.sent == bytes, "\(first), then \(second), of \(count)")
                #expect(probe.violations == [])
            }
        }
    }

    @Test func `every way to cut ten bytes into writes gives the same ten bytes`() {
        let bytes = payload(10)
        for cuts in 0..<512 {
            for blocks in [0, 0b11_11111111, 0b01_01010101, 0b10_10101010] {
                let stream = ScriptedStream([.bytes(bytes)], sending: script(cuts, blocks))
                let probe = SessionProbe(limit: 16)
                probe.run(stream)
                guard stream.sent == bytes, probe.violations.isEmpty else {
                    Issue.record("cuts \(cuts), blocks \(blocks): \(stream.sent)")
                    return
                }
            }
        }
    }

    // A one in `cuts` ends a write, a one in `blocks` puts a would-block before it.
    private func script(_ cuts: Int, _ blocks: Int) -> [Transfer] {
        var steps: [Transfer] = []
        var length = 1
        for place in 0..<10 {
            guard place == 9 || cuts >> place & 1 == 1 else {
                length += 1
                continue
            }
            if blocks >> steps.count & 1 == 1 { steps.append(.wouldBlock) }
            steps.append(.bytes(length))
            length = 1
        }
        return steps
    }

    @Test(arguments: [Transfer.wouldBlock, .interrupted])
    func `a transfer that cannot go on leaves everything as it was`(_ refusal: Transfer) {
        let arrival: ScriptedStream.Arrival = refusal == .wouldBlock ? .wouldBlock : .interrupted
        let stream = ScriptedStream(
            [arrival, .bytes([1, 2]), arrival],
            sending: [refusal, refusal]
        )
        let probe = SessionProbe()
        probe.read(stream)
        #expect(probe.demand == .receive)
        probe.read(stream)
        #expect(probe.demand == [.send, .receive])
        #expect(probe.owed == [1, 2])
        probe.read(stream)
        probe.write(stream)
        #expect(probe.demand == [.send, .receive])
        #expect(probe.owed == [1, 2])
        #expect(stream.sent == [])
        probe.run(stream)
        #expect(stream.sent == [1, 2])
    }

    @Test(arguments: 0...8)
    func `CO-4: the peer's end of stream after so many bytes is answered with all of them`(
        _ count: Int
    ) {
        for sent in 0...count {
            let arrivals: [ScriptedStream.Arrival] = count > 0 ? [.bytes(payload(count))] : []
            let stream = ScriptedStream(
                arrivals,
                sending: [.bytes(sent), .wouldBlock, .wouldBlock]
            )
            let probe = SessionProbe()
            probe.run(stream)
            #expect(stream.sent == payload(count))
            #expect(probe.state.closeCause == .peerClosed)
            #expect(!probe.state.resetsOnClose)
            #expect(probe.violations == [])
        }
    }

    @Test(arguments: 0...8)
    func `rule 4: a send that fails after so many bytes closes, with what was sent counted`(
        _ count: Int
    ) {
        for blocks in [true, false] {
            let stream = ScriptedStream(
                [.bytes(payload(8))],
                sending: [.bytes(count)] + (blocks ? [.wouldBlock] : []) + [.failed(Self.reset)]
            )
            let probe = SessionProbe()
            probe.run(stream)
            #expect(stream.sent == Array(payload(8)[..<count]))
            #expect(probe.state.closeCause == (count < 8 ? .reset : .peerClosed))
            #expect(probe.state.resetsOnClose == (count < 8))
            #expect(probe.totals.bytesSent == UInt64(count))
            #expect(probe.state.sent == UInt64(count))
        }
    }

    @Test func `rule 4: the first send may fail`() {
        let stream = ScriptedStream([.bytes([1])], sending: [.failed(Errno(rawValue: EPIPE))])
        let probe = SessionProbe()
        probe.read(stream)
        #expect(probe.demand == .close)
        #expect(probe.state.closeCause == .reset)
        #expect(probe.state.resetsOnClose)
    }

    @Test(
        arguments: 0...8,
        [(ETIMEDOUT, .peerLost), (EIO, .failed)] as [(CInt, EchoServer.CloseReason)]
    )
    func `rule 4, SB-2: a receive that fails after so many bytes closes`(
        _ count: Int,
        _ failure: (errno: CInt, cause: EchoServer.CloseReason)
    ) {
        let errno = Errno(rawValue: failure.errno)
        let arrivals: [ScriptedStream.Arrival] = count > 0 ? [.bytes(payload(count))] : []
        for sent in 0...count {
            let stream = ScriptedStream(
                arrivals + [.failed(errno)],
                sending: [.bytes(sent), .wouldBlock, .wouldBlock]
            )
            let probe = SessionProbe()
            probe.run(stream)
            #expect(stream.sent == Array(payload(count)[..<sent]))
            #expect(probe.state.closeCause == failure.cause)
            #expect(probe.state.resetsOnClose == (sent < count))
        }
    }

    @Test func `after finishing, what arrives is thrown away and not counted`() {
        let stream = ScriptedStream(
            [.bytes([1, 2, 3]), .bytes([4]), .wouldBlock, .bytes([5, 6])],
            sending: [.bytes(1), .wouldBlock]
        )
        let probe = SessionProbe()
        probe.read(stream)
        probe.feed(.finish)
        #expect(probe.demand == .send)
        probe.write(stream)
        #expect(probe.demand == .send, "no room for owed bytes yet")
        probe.write(stream)
        #expect(probe.demand == [.shutdownSend, .receive])
        probe.run(stream)
        #expect(stream.sent == [1, 2, 3])
        #expect(probe.shutdowns == 1)
        #expect(probe.totals.bytesReceived == 3)
        #expect(probe.state.closeCause == .drained)
    }
}

@Suite(.timeLimit(.minutes(5)))
struct ReadinessEchoBoundTests {
    @Test(arguments: [1, 2, 3, 8, 64], [1, 5, 64])
    func `rule 3: never more is owed than the limit, never more received than fits`(
        _ limit: Int,
        _ buffer: Int
    ) {
        let bytes = payload(300)
        let stream = ScriptedStream(
            [.bytes(bytes)],
            sending: (0..<400).flatMap { [.wouldBlock, .wouldBlock, .bytes($0 % 3)] }
        )
        let probe = SessionProbe(limit: limit, buffer: buffer)
        probe.run(stream)
        #expect(stream.sent == bytes)
        #expect(stream.largestRoom <= min(limit, buffer))
        #expect(probe.violations == [])
    }

    @Test func `back-pressure is counted once an episode`() {
        let stream = ScriptedStream(
            [.bytes(payload(8)), .bytes(payload(5)), .bytes(payload(1))],
            sending: [.wouldBlock, .bytes(3), .wouldBlock, .bytes(2), .wouldBlock, .wouldBlock]
        )
        let probe = SessionProbe(limit: 8)
        probe.read(stream)
        #expect(probe.totals.pauses == 1)
        probe.write(stream)
        #expect(probe.demand == .send, "5 of 8 owed: not below half yet")
        #expect(probe.totals.pauses == 1)
        probe.write(stream)
        #expect(probe.demand == [.send, .receive])
        probe.read(stream)
        #expect(probe.demand == .send)
        #expect(probe.totals.pauses == 2)
        probe.run(stream)
        #expect(stream.sent == payload(8) + payload(5) + payload(1))
        #expect(probe.totals.pauses == 2)
    }

    @Test func `a burst as large as the limit that is sent at once is no back-pressure`() {
        let stream = ScriptedStream([.bytes(payload(8))])
        let probe = SessionProbe(limit: 8)
        probe.read(stream)
        #expect(probe.demand == .receive)
        #expect(probe.totals.pauses == 0)
    }

    @Test func `owing less than the limit is no back-pressure`() {
        let stream = ScriptedStream([.bytes(payload(7))], sending: [.wouldBlock])
        let probe = SessionProbe(limit: 8)
        probe.read(stream)
        #expect(probe.demand == [.send, .receive])
        #expect(probe.totals.pauses == 0)
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `any script of transfers echoes exactly what was received`(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var bytes: [UInt8] = []
        var arrivals: [ScriptedStream.Arrival] = []
        for _ in 0..<50 {
            if random.next() % 3 == 0 {
                arrivals.append(random.next() % 2 == 0 ? .wouldBlock : .interrupted)
                continue
            }
            let piece = (0..<Int.random(in: 1...40, using: &random)).map { _ in
                UInt8(truncatingIfNeeded: random.next())
            }
            bytes += piece
            arrivals.append(.bytes(piece))
        }
        let departures: [Transfer] = (0..<150).map { _ in
            switch random.next() % 4 {
            case 0: .wouldBlock
            case 1: .interrupted
            default: .bytes(Int.random(in: 0...30, using: &random))
            }
        }
        let stream = ScriptedStream(arrivals, sending: departures)
        let probe = SessionProbe(limit: Int.random(in: 1...64, using: &random), buffer: 32)
        probe.run(stream)
        #expect(stream.sent == bytes)
        #expect(probe.totals.bytesReceived == UInt64(bytes.count))
        #expect(probe.totals.bytesSent == UInt64(bytes.count))
        #expect(probe.violations == [])
    }
}
