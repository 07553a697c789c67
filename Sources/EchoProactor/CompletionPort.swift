package import EchoSockets
import EchoWinsock
import Glibc

/// Where the completions of many sockets queue, to be taken by a few threads (CP-1 to CP-10).
///
/// The corresponding Winsock object is made by `CreateIoCompletionPort`. Packets are taken first
/// in, first out. The threads that wait drive epoll(7) themselves, up to the concurrency value; the
/// kernel wakes the one that came last, so that no thread ever hands readiness to another. Threads
/// above that value are parked, and released last in, first out.
///
/// The port, and what its sockets owe, lives as long as somebody refers to it. Any thread.
@safe
package final class CompletionPort: @unchecked Sendable {
    /// The most operations that may wait on one socket (OV-14).
    package static var pendingLimit: Int { SocketState.pendingLimit }

    /// How many threads may handle packets at a time (CP-3).
    package let concurrency: Int
    /// Bytes that one receive takes at most.
    package let receiveBufferSize: Int
    /// Whether its threads poll before they sleep: where each begins.
    let polling: BusyPolling
    /// Closes sockets a few a turn, if they are many.
    package let closing = ClosingQueue()

    let epoll: Epoll
    let table = SocketTable()
    let monitor = Monitor()
    // Guarded by the monitor.
    let memory: UnsafeMutablePointer<Memory>

    /// Opens a port.
    ///
    /// The corresponding Winsock function is `CreateIoCompletionPort`.
    ///
    /// - Parameters:
    ///   - concurrency: how many threads may handle packets at a time; 0 for one for each
    ///     processor that the process may use.
    ///   - receiveBufferSize: bytes that one receive takes at most, at least 1.
    ///   - polling: whether the threads that wait poll before they sleep.
    /// - Throws: what `epoll_create1` or `eventfd` gave.
    package init(
        concurrency: Int = 0,
        receiveBufferSize: Int = 64 * 1024,
        polling: BusyPolling = .off
    ) throws(SystemError) {
        self.polling = polling
        self.concurrency = concurrency > 0 ? concurrency : Processors.available
        self.receiveBufferSize = max(1, receiveBufferSize)
        epoll = try Epoll()
        unsafe memory = .allocate(capacity: 1)
        unsafe memory.initialize(to: Memory())
    }

    deinit {
        for slot in table.slots { slot.withState { Self.discard(&$0) } }
        unsafe memory.deinitialize(count: 1)
        unsafe memory.deallocate()
    }

    /// Calls `body` with what the monitor guards; under the monitor.
    @inline(__always)
    func guarded<Result>(_ body: (inout Memory) -> Result) -> Result {
        unsafe body(&memory.pointee)
    }

    // MARK: Putting packets in

    /// Queues a packet by hand, its contents delivered as they are (CP-6).
    ///
    /// The corresponding Winsock function is `PostQueuedCompletionStatus`. Any thread.
    ///
    /// - Returns: whether the port was open.
    @discardableResult
    package func post(key: UInt64, byteCount: Int = 0) -> Bool {
        monitor.lock()
        guard unsafe !memory.pointee.isClosed else {
            monitor.unlock()
            return false
        }
        guarded { $0.queue.append(Packet(posted: key, byteCount: byteCount)) }
        unlockAndWake(releaseWaiter())
        return true
    }

    /// Queues a completion, or a socket's turn.
    ///
    /// What a worker queues it is about to take itself: waking another would be a hop for nothing
    /// (PR-7). If more than that is queued, it wakes another when it takes the first.
    func push(_ packet: Packet, isSpent: Bool = false) {
        monitor.lock()
        guarded { memory in
            if isSpent { memory.spent.append(packet) } else { memory.queue.append(packet) }
        }
        unlockAndWake(!PortMembership.belongs(to: self) && releaseWaiter())
    }

    func unlockAndWake(_ wakes: Bool) {
        monitor.unlock()
        if wakes { epoll.wake() }
    }

    /// Lets a waiting thread take a packet, if the concurrency value allows one more.
    ///
    /// - Returns: whether epoll must be told, after the monitor has been left.
    func releaseWaiter() -> Bool {
        guarded { memory in
            guard memory.running < concurrency else { return false }
            if memory.polling > 0 {
                guard !memory.isWakePending else { return false }
                memory.isWakePending = true
                return true
            }
            // Who is on the way will look at the queue before anybody else is disturbed.
            if memory.arriving == 0 { Self.unpark(&memory) }
            return false
        }
    }

    static func unpark(_ memory: inout Memory) {
        guard let seat = memory.parked.popLast() else { return }
        memory.arriving += 1
        seat.unpark()
        seat.condition.signal()
    }

    // MARK: Taking packets out

    enum Taken {
        case packet(Packet)
        case timedOut
        case abandoned
    }

    /// The next packet; carries out transfers, and waits, as needed.
    ///
    /// - Parameters:
    ///   - seat: the worker's.
    ///   - buffer: where a receive puts its data.
    ///   - deadline: how long to wait.
    /// - Returns: the packet, or why there is none.
    func take(
        _ seat: Seat,
        _ buffer: UnsafeMutableRawPointer,
        until deadline: Deadline
    ) -> Taken {
        monitor.lock()
        stopRunning(seat)
        while true {
            if unsafe memory.pointee.isClosed {
                // One waking wakes one thread; each passes it on.
                unlockAndWake(unsafe memory.pointee.polling > 0)
                closing.closeAll()
                return .abandoned
            }
            if unsafe memory.pointee.running < concurrency {
                if unsafe memory.pointee.isPollDue {
                    poll(seat, until: .now)
                    // Meanwhile another may have begun to handle a packet.
                    continue
                }
                if let packet = unsafe memory.pointee.next() {
                    if let packet = unsafe begin(packet, seat, buffer) { return .packet(packet) }
                    continue
                }
                if mayPoll {
                    poll(seat, until: deadline)
                    if unsafe !memory.pointee.isIdle || memory.pointee.isClosed { continue }
                    if deadline.hasPassed { return timeOut(seat) }
                    continue
                }
            }
            if deadline.hasPassed { return timeOut(seat) }
            if closing.isBehind {
                // Nobody else may come to it.
                monitor.unlock()
                closing.closeAll()
                monitor.lock()
                continue
            }
            park(seat, until: deadline)
        }
    }

    // A thread that polls without sleeping is alone in that: the kernel would wake one that sleeps
    // for each edge that the other is about to find.
    var mayPoll: Bool {
        guarded { memory in
            if polling.isOn, memory.polling > 0 { return false }
            return memory.running + memory.polling + memory.arriving < concurrency
        }
    }

    /// Starts handling a packet, or gives a socket its turn.
    ///
    /// Leaves the monitor if that gave a packet.
    private func begin(
        _ entry: Packet,
        _ seat: Seat,
        _ buffer: UnsafeMutableRawPointer
    ) -> Packet? {
        startRunning(seat)
        unlockAndWake(unsafe !memory.pointee.isIdle && releaseWaiter())
        guard entry.isTurn else { return entry }
        if let packet = unsafe serve(entry, buffer) { return packet }
        monitor.lock()
        stopRunning(seat)
        return nil
    }

    /// Waits for edges, and queues a turn for each.
    ///
    /// Leaves the monitor meanwhile.
    private func poll(_ seat: Seat, until deadline: Deadline) {
        guarded { $0.polling += 1 }
        monitor.unlock()
        let isBehind = closing.beginTurn()
        let end = isBehind ? .now : deadline
        let count = unsafe epoll.wait(seat.edges, until: end, &seat.polling)
        monitor.lock()
        guarded { memory in
            for index in 0..<count {
                let (word, readiness) = seat.edges[index]
                if word == Epoll.wakeWord {
                    memory.isWakePending = false
                } else {
                    let socket = SocketHandle(word: word)
                    memory.queue.append(Packet(turnOf: socket, readiness: readiness))
                }
            }
            memory.endPoll()
        }
    }

    private func park(_ seat: Seat, until deadline: Deadline) {
        seat.park()
        guarded { $0.parked.append(seat) }
        while seat.isParked {
            seat.condition.wait(monitor, until: deadline)
            if seat.isParked, deadline.hasPassed {
                seat.unpark()
                guarded { $0.parked.removeAll { $0 === seat } }
                return
            }
        }
        guarded { $0.arriving -= 1 }
    }

    private func timeOut(_ seat: Seat) -> Taken {
        startRunning(seat)
        monitor.unlock()
        return .timedOut
    }
}
