import EchoSockets
import Glibc

/// What is the same in all models about a datagram socket: what has been received is judged by the
/// rules, sent back, and counted.
///
/// For one thread at a time. The models differ in how they learn that there is something to
/// receive, and in who receives it into the ``batch``.
final class DatagramEcho {
    /// Where datagrams are received, and sent from.
    let batch: DatagramBatch
    /// Where the socket is bound.
    let address: SocketAddress
    private let isInherited: Bool
    // Used by one thread at a time, and never from within a use: no run-time check.
    @exclusivity(unchecked) private var rules: DatagramRules
    @exclusivity(unchecked) private var failures = 0
    private let counters: DatagramCounters
    private let log: ServerLog

    /// How many receives may fail in a row before the fault is no longer taken to be that of single
    /// datagrams.
    private static let failureLimit = 16
    /// The most batches that are answered at the end: more than a socket's queue holds.
    private static let drainLimit = 1_024

    /// - Parameters:
    ///   - socket: the socket.
    ///   - endpoint: where it came from.
    ///   - context: settings, counts and log.
    init(
        _ socket: borrowing DatagramSocket,
        _ endpoint: DatagramEndpoint,
        _ context: ServingContext
    ) {
        batch = DatagramBatch(for: socket)
        address = endpoint.address
        isInherited = endpoint.isInherited
        unsafe rules = DatagramRules(context.loopGuard(ownPorts: endpoint.ports.all))
        counters = context.datagramCounters.add()
        log = context.log
    }

    /// Receives once, without waiting, and answers.
    ///
    /// - Parameter number: the socket's descriptor.
    /// - Returns: whether there may be more.
    @discardableResult
    func receive(from number: CInt) -> Bool {
        completed(batch.receive(from: number), on: number)
    }

    /// Receives without waiting, and answers; again and again while it looks as if more had come
    /// meanwhile, but no more than a batch or two.
    ///
    /// - Parameters:
    ///   - number: the socket's descriptor.
    ///   - receive: receives into the batch.
    func takeTurn(on number: CInt, _ receive: (DatagramBatch) -> Int) {
        var taken = 0
        repeat {
            let count = receive(batch)
            completed(count, on: number)
            guard count > 0 else { return }
            taken += count
        } while batch.expectsMore && taken < DatagramBatch.capacity
    }

    /// Takes what a receive into the batch has led to, and answers.
    ///
    /// - Parameters:
    ///   - count: the number of messages, or a negated error.
    ///   - number: the socket's descriptor.
    /// - Returns: whether there may be more.
    @discardableResult
    func completed(_ count: Int, on number: CInt) -> Bool {
        guard count > 0 else { return failed(Errno(rawValue: CInt(-count))) }
        unsafe failures = 0
        let now = MonotonicTime.coarse
        for index in 0..<count { judge(index, now, number) }
        batch.flush(to: number)
        counters.dropped(batch.takeDrops())
        counters.answered(batch.takeOutcome())
        return count == DatagramBatch.capacity
    }

    // An error is of a single datagram, and receiving goes on. If it only fails, for want of memory
    // or because a security policy forbids it, going on at once would use all of a processor.
    private func failed(_ errno: Errno) -> Bool {
        if errno.isWouldBlock || errno.rawValue == EINTR || errno.rawValue == ECANCELED {
            return false
        }
        unsafe failures += 1
        guard unsafe failures >= Self.failureLimit else { return true }
        if unsafe failures == Self.failureLimit { log.receivingFails(address, errno) }
        pauseAfterFailedWait()
        return true
    }

    private func judge(_ index: Int, _ now: MonotonicTime, _ number: CInt) {
        batch.withMessage(index) { message in
            counters.received(message.count)
            if message.isTruncated { return counters.truncated(message.count) }
            let (source, isToGroup) = (message.source, message.isToGroup)
            if let refusal = unsafe rules.refusal(from: source, isToGroup: isToGroup) {
                return counters.refused(refusal, message.count)
            }
            guard unsafe rules.judgesEach else {
                return answer(message, 0..<message.count, index, number)
            }
            // One message goes back as one, but for what is refused of it.
            var start = 0
            for place in 0..<message.count {
                let bytes = unsafe message.datagram(place)
                guard let refusal = unsafe rules.refusal(of: bytes, from: source, at: now) else {
                    continue
                }
                counters.refused(refusal, 1)
                answer(message, start..<place, index, number)
                start = place + 1
            }
            answer(message, start..<message.count, index, number)
        }
    }

    private func answer(
        _ message: borrowing DatagramMessage,
        _ datagrams: Range<Int>,
        _ index: Int,
        _ number: CInt
    ) {
        guard !datagrams.isEmpty else { return }
        counters.willAnswer(message.byteCount(datagrams))
        batch.answer(datagrams, of: index, to: number)
    }

    /// Answers what is queued, before the socket is closed; an inherited one keeps its queue for
    /// its next owner.
    func drain(_ number: CInt) {
        guard !isInherited else { return }
        for _ in 0..<Self.drainLimit {
            // Where receiving only fails, there is nothing more to be had.
            guard receive(from: number), unsafe failures < Self.failureLimit else { return }
        }
    }
}
