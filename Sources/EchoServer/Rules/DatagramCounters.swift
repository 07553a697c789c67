import EchoSockets
import Synchronization

/// Counts of one datagram socket.
///
/// Written by one thread at a time, so a count costs a load and a store; any thread reads.
final class DatagramCounters: Sendable {
    private let received = Atomic<UInt64>(0)
    private let bytesReceived = Atomic<UInt64>(0)
    private let sent = Atomic<UInt64>(0)
    private let bytesSent = Atomic<UInt64>(0)
    private let truncated = Atomic<UInt64>(0)
    private let dropped = Atomic<UInt64>(0)
    private let failed = Atomic<UInt64>(0)
    private let refused: [Refusals]
    private let signal: ActivitySignal?

    // An atomic is not copyable, so an array cannot hold one.
    private final class Refusals: Sendable {
        let count = Atomic<UInt64>(0)
    }

    fileprivate init(_ signal: ActivitySignal?) {
        self.signal = signal
        refused = EchoServer.DatagramRefusal.allCases.map { _ in Refusals() }
    }

    /// Counts datagrams that have come.
    func received(_ count: Int) {
        add(count, to: received)
        signal?.tell()
    }

    /// Counts the bytes of a datagram that is to be sent back.
    func willAnswer(_ bytes: Int) { add(bytes, to: bytesReceived) }

    /// Counts datagrams that are not answered.
    func refused(_ reason: EchoServer.DatagramRefusal, _ count: Int) {
        guard let index = EchoServer.DatagramRefusal.allCases.firstIndex(of: reason) else { return }
        add(count, to: refused[index].count)
    }

    /// Counts datagrams that were longer than the buffer.
    func truncated(_ count: Int) { add(count, to: truncated) }

    /// Counts datagrams that the kernel dropped before they could be received.
    func dropped(_ count: Int) {
        if count > 0 { add(count, to: dropped) }
    }

    /// Counts what has become of answers.
    func answered(_ outcome: DatagramBatch.Outcome) {
        add(outcome.sent, to: sent)
        add(outcome.sentBytes, to: bytesSent)
        if outcome.failed > 0 { add(outcome.failed, to: failed) }
        signal?.tell()
    }

    private func add(_ count: Int, to counter: borrowing Atomic<UInt64>) {
        let sum = counter.load(ordering: .relaxed) &+ UInt64(truncatingIfNeeded: count)
        // Whoever sees what has become of a datagram sees that it has come.
        counter.store(sum, ordering: .releasing)
    }

    // What has come is looked at last, so that no more than that is sent, refused or the like.
    fileprivate func add(to statistics: inout EchoServer.Statistics) {
        statistics.datagramsSent += sent.load(ordering: .acquiring)
        statistics.bytesSent += bytesSent.load(ordering: .acquiring)
        statistics.datagramsTruncated += truncated.load(ordering: .acquiring)
        statistics.datagramsDropped += dropped.load(ordering: .relaxed)
        statistics.datagramSendFailures += failed.load(ordering: .acquiring)
        for (reason, count) in zip(EchoServer.DatagramRefusal.allCases, refused) {
            let count = count.count.load(ordering: .acquiring)
            if count > 0 { statistics.datagramsRefused[reason, default: 0] += count }
        }
        statistics.bytesReceived += bytesReceived.load(ordering: .relaxed)
        statistics.datagramsReceived += received.load(ordering: .relaxed)
    }
}

/// The counters of all datagram sockets of a server, also of those that have been closed.
final class DatagramCounterGroup: Sendable {
    private struct State {
        var counters: [DatagramCounters] = []
        var signal: ActivitySignal?
    }

    private let state = Locked(State())

    /// New counters, for a socket.
    func add() -> DatagramCounters {
        state.withLock { state in
            let counters = DatagramCounters(state.signal)
            state.counters.append(counters)
            return counters
        }
    }

    /// Signals everything that is counted from now on.
    func notify(_ signal: ActivitySignal) {
        state.withLock { $0.signal = signal }
    }

    /// Adds the sums to a snapshot.
    func add(to statistics: inout EchoServer.Statistics) {
        let counters = state.withLock { $0.counters }
        for counters in counters { counters.add(to: &statistics) }
    }
}
