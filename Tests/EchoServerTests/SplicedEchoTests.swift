import EchoSockets
import EchoTestSupport
import Glibc
import Testing

@testable import EchoServer

/// Large streams that go through the worker's pipe.
@Suite(.timeLimit(.minutes(5)))
struct SplicedEchoTests {
    private static let kibibyte = 1024
    private static let large = 40 * kibibyte

    // As many large receives as it takes, and what follows.
    private static func stream(
        _ more: [ScriptedStream.Arrival],
        sending: [Transfer] = []
    ) -> (stream: ScriptedStream, bytes: [UInt8]) {
        let first = (0..<4).map { payload(large, seed: $0) }
        let stream = ScriptedStream(
            first.map { .bytes($0) } + more,
            sending: first.map { .bytes($0.count) } + sending
        )
        stream.canSplice = true
        return (stream, first.flatMap(\.self))
    }

    private static func payload(_ count: Int, seed: Int) -> [UInt8] {
        PatternBytes(seed: UInt64(seed)).bytes(count: count)
    }

    private static func probe(limit: Int = 64 * kibibyte) -> SessionProbe {
        SessionProbe(limit: limit, buffer: 64 * kibibyte)
    }

    @Test func `after four large receives, bytes go through the pipe until there are few`() {
        let more = [Self.large, 32 * Self.kibibyte, 1000, Self.large].enumerated().map {
            Self.payload($1, seed: 10 + $0)
        }
        let (stream, first) = Self.stream(more.map { .bytes($0) })
        let probe = Self.probe()
        for _ in 0..<4 { probe.read(stream) }
        #expect(stream.splices == 0)
        probe.run(stream)
        #expect(stream.splices == 3)
        #expect(stream.sent == first + more.flatMap(\.self))
        #expect(probe.state.closeCause == .peerClosed)
        #expect(probe.totals.bytesReceived == UInt64(stream.sent.count))
        #expect(probe.totals.bytesSent == UInt64(stream.sent.count))
        #expect(probe.violations == [])
    }

    @Test func `small messages never do, nor large ones with small ones between`() {
        let sizes = (0..<60).map { $0 % 4 == 3 ? 32 * Self.kibibyte - 1 : Self.large }
        let stream = ScriptedStream(sizes.map { .bytes(Self.payload($0, seed: $0)) })
        stream.canSplice = true
        let probe = Self.probe()
        probe.run(stream)
        #expect(stream.splices == 0)
        #expect(stream.sent.count == sizes.reduce(0, +))
    }

    @Test(
        arguments: [
            (.threadPerClient, .auto), (.completionPort, .auto), (.select, .never),
        ] as [(EchoServer.IOModel, EchoServer.Configuration.Splicing)]
    )
    func `where it may not, it does not, and opens no pipe`(
        _ model: EchoServer.IOModel,
        _ splice: EchoServer.Configuration.Splicing
    ) {
        let (stream, first) = Self.stream([.bytes(Self.payload(Self.large, seed: 10))])
        let buffer = 64 * Self.kibibyte
        let probe = SessionProbe(limit: buffer, buffer: buffer, model: model, splice: splice)
        probe.run(stream)
        #expect(stream.splices == 0)
        #expect(stream.sent.count == first.count + Self.large)
    }

    @Test(arguments: [0, 1, 4096, 39_999, 40_959])
    func `CO-8: what the transport does not take of the pipe is owed, in order`(_ taken: Int) {
        let next = (0..<2).map { Self.payload(Self.large, seed: 10 + $0) }
        let steps = [[], [.wouldBlock, .bytes(100), .wouldBlock]] as [[Transfer]]
        for (refusal, later) in [(Transfer.wouldBlock, steps[0]), (.bytes(taken), steps[1])] {
            let (stream, first) = Self.stream(
                next.map { .bytes($0) },
                sending: [refusal] + later
            )
            let probe = Self.probe()
            for _ in 0..<5 { probe.read(stream) }
            let left = refusal == .wouldBlock ? Self.large : Self.large - taken
            #expect(probe.owed == Array(next[0].suffix(left)))
            #expect(probe.demand == [.send, .receive])
            #expect(probe.worker.withPipe { $0.count } == 0)
            probe.run(stream)
            #expect(stream.sent == first + next.flatMap(\.self))
            #expect(stream.splices == 1, "one that does not take everything is copied")
            #expect(probe.violations == [])
        }
    }

    @Test func `rule 3: never more goes into the pipe than the limit, and a pause is counted`() {
        let limit = 36 * Self.kibibyte
        let bytes = Self.payload(6 * Self.large, seed: 1)
        let stream = ScriptedStream(
            [.bytes(bytes)],
            sending: (0..<4).map { _ in .bytes(limit) } + [.wouldBlock, .wouldBlock]
        )
        stream.canSplice = true
        let probe = Self.probe(limit: limit)
        for _ in 0..<5 { probe.read(stream) }
        #expect(stream.splices == 1)
        #expect(probe.owed.count == limit)
        #expect(probe.demand == .send)
        #expect(probe.totals.pauses == 1)
        probe.run(stream)
        #expect(stream.sent == bytes)
        #expect(stream.largestRoom <= limit)
        #expect(probe.violations == [])
    }

    @Test(arguments: [ECONNRESET, EPIPE])
    func `rule 4: a failed send leaves nothing in the pipe for the next connection`(
        _ errno: CInt
    ) {
        let (stream, _) = Self.stream(
            [.bytes(Self.payload(Self.large, seed: 10))],
            sending: [.failed(Errno(rawValue: errno))]
        )
        let probe = Self.probe()
        for _ in 0..<5 { probe.read(stream) }
        #expect(probe.demand == .close)
        #expect(probe.state.closeCause == .reset)
        #expect(probe.state.resetsOnClose)
        #expect(probe.worker.withPipe { $0.count } == 0)
    }

    @Test func `rule 4: a failure that only the pipe meets is not lost`() {
        let reset = Errno(rawValue: ECONNRESET)
        let (stream, _) = Self.stream([.failed(reset)])
        let probe = Self.probe()
        for _ in 0..<5 { probe.read(stream) }
        #expect(stream.splices == 1)
        #expect(probe.demand == .close)
        #expect(probe.state.closeCause == .reset)
    }

    @Test func `what cannot go through the pipe is received`() {
        let last = Self.payload(10, seed: 10)
        let (stream, first) = Self.stream([.wouldBlock, .bytes(last)])
        let probe = Self.probe()
        for _ in 0..<5 { probe.read(stream) }
        #expect(stream.splices == 1)
        #expect(stream.sent == first + last)
        #expect(probe.demand == .receive)
    }

    @Test(arguments: 0..<50 as Range<UInt64>)
    func `any script of transfers echoes exactly what was received`(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var bytes: [UInt8] = []
        let arrivals = (0..<40).map { index -> ScriptedStream.Arrival in
            if random.next() % 8 == 0 { return random.next() % 2 == 0 ? .wouldBlock : .interrupted }
            let isLarge = random.next() % 8 != 0
            let count = Int.random(in: isLarge ? 32_768...65_536 : 1...1000, using: &random)
            let piece = Self.payload(count, seed: index)
            bytes += piece
            return .bytes(piece)
        }
        let departures: [Transfer] = (0..<40).map { _ in
            switch random.next() % 8 {
            case 0: .wouldBlock
            case 1: .bytes(Int.random(in: 0...65_536, using: &random))
            default: .bytes(65_536)
            }
        }
        let stream = ScriptedStream(arrivals, sending: departures)
        stream.canSplice = true
        let probe = Self.probe()
        probe.run(stream)
        let isIntact = stream.sent == bytes
        #expect(isIntact)
        #expect(stream.splices > 0)
        #expect(probe.totals.bytesReceived == UInt64(bytes.count))
        #expect(probe.totals.bytesSent == UInt64(bytes.count))
        #expect(probe.violations == [])
    }
}
