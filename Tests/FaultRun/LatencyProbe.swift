import EchoClient
import EchoSockets
import EchoTestSupport
import Glibc
import Synchronization

/// A few well-behaved connections that exchange messages all the time: each byte is verified, and
/// how long each exchange took is noted.
///
/// Time during which the server was stopped on purpose does not count.
final class LatencyProbe: Sendable {
    /// What the probe saw.
    struct Report: Sendable {
        var latencies = LatencyHistogram()
        var exchanges = 0
        var bytesVerified = 0
        var wrongBytes = 0
        var failure: String?
    }

    private let report = Locked(Report())
    private let isEnding = Atomic(false)
    private let ended = Completion<Void>()
    private let stops: StopClock

    /// How often a message is due.
    static let interval = Duration.milliseconds(1)

    /// Connects and starts.
    ///
    /// - Parameters:
    ///   - address: the server.
    ///   - connections: how many take turns.
    ///   - sizes: how long messages are.
    ///   - seed: what their lengths are drawn from.
    ///   - stops: when the server was stopped.
    /// - Throws: `SystemError` if no thread could be had.
    init(
        to address: SocketAddress,
        connections: Int,
        sizes: ClosedRange<Int>,
        seed: UInt64,
        stops: StopClock = StopClock()
    ) throws(SystemError) {
        self.stops = stops
        try Thread(name: "latency probe", stackSize: testStackSize) { [self] in
            do {
                let lines = try (0..<connections).map { try ProbeLine($0, seed, address) }
                run(lines, sizes, seed)
            } catch {
                report.withLock { $0.failure = "the probe cannot connect: \(error)" }
            }
            ended.complete(())
        }.detach()
    }

    /// How many exchanges there were since it was last asked.
    var exchanges: Int { report.withLock { $0.exchanges } }

    /// What it has seen since it was last asked.
    func take() -> Report {
        report.withLock { current in
            let taken = current
            current = Report()
            current.failure = taken.failure
            return taken
        }
    }

    /// What it has seen since it was last asked, once it has closed its connections.
    func end() async -> Report {
        isEnding.store(true, ordering: .releasing)
        await ended.value
        return take()
    }

    private func run(_ lines: [ProbeLine], _ sizes: ClosedRange<Int>, _ seed: UInt64) {
        var random = SeededGenerator(seed: seed, stream: .max)
        var turn = 0
        while !isEnding.load(ordering: .acquiring) {
            let line = lines[turn % lines.count]
            turn += 1
            let size = random.spread(over: sizes)
            let stoppedBefore = stops.total
            let start = MonotonicTime.now
            let failure = line.exchange(size)
            let latency = (.now - start) - (stops.total - stoppedBefore)
            report.withLock { report in
                report.latencies.record(max(.zero, latency), expectedInterval: Self.interval)
                report.exchanges += 1
                report.bytesVerified += size
                if failure != nil { report.failure = failure }
                report.wrongBytes += line.wrongBytes
            }
            if failure != nil { return }
            let left = Self.interval - latency
            if left > .zero { _ = poll(nil, 0, left.millisecondsRoundedUp) }
        }
    }
}

/// One connection of a probe.
@safe private final class ProbeLine {
    private(set) var wrongBytes = 0
    private let socket: Socket
    private var stream: EchoStream
    private let buffer: UnsafeMutableRawBufferPointer

    init(_ index: Int, _ seed: UInt64, _ address: SocketAddress) throws {
        let socket = try connectedSocket(to: address)
        if address.family != AF_UNIX { try socket.setNoDelay() }
        self.socket = socket
        stream = EchoStream(index, seed: ~seed)
        unsafe buffer = .allocate(byteCount: 64 << 10, alignment: 16)
    }

    deinit {
        unsafe buffer.deallocate()
    }

    /// Sends so many bytes and waits until they are back; gives what failed.
    func exchange(_ count: Int) -> String? {
        let end = stream.received + count
        while stream.received < end {
            let wanted = stream.sent == end ? POLLIN : POLLIN | POLLOUT
            let events = socket.wait(for: wanted, atMost: patience.millisecondsRoundedUp)
            guard events != 0 else { return "the probe waited for \(patience)" }
            if events & POLLOUT != 0 { send(end - stream.sent) }
            guard events & ~POLLOUT != 0 else { continue }
            if let failure = receive() { return failure }
        }
        return nil
    }

    private func send(_ count: Int) {
        let part = unsafe UnsafeMutableRawBufferPointer(
            rebasing: buffer[..<min(count, buffer.count)]
        )
        unsafe stream.fill(part)
        if case .bytes(let taken) = unsafe socket.send(UnsafeRawBufferPointer(part)) {
            stream.note(sent: taken)
        }
    }

    private func receive() -> String? {
        switch unsafe socket.receive(into: buffer) {
        case .bytes(let count):
            let part = unsafe UnsafeRawBufferPointer(rebasing: buffer[..<count])
            guard let mismatch = unsafe stream.take(part) else { return nil }
            wrongBytes = mismatch.count
            return "the probe received wrong bytes: \(mismatch)"
        case .endOfStream: return "the server ended the probe's connection"
        case .failed(let error): return "the probe's connection broke: \(error)"
        case .wouldBlock, .interrupted: return nil
        }
    }
}

/// How long a process has been stopped in all.
final class StopClock: Sendable {
    private let state = Locked<(total: Duration, since: MonotonicTime?)>((.zero, nil))

    /// It is being stopped.
    func stop() {
        state.withLock { $0.since = .now }
    }

    /// It goes on.
    func resume() {
        state.withLock { state in
            if let since = state.since { state.total += .now - since }
            state.since = nil
        }
    }

    /// How long until now.
    var total: Duration {
        state.withLock { state in
            guard let since = state.since else { return state.total }
            return state.total + (.now - since)
        }
    }
}
