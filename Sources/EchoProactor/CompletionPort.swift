package import EchoSockets
import Glibc

/// Where the completions of many sockets queue, to be taken by a few threads (CP-1 to CP-10).
///
/// The corresponding Winsock object is made by `CreateIoCompletionPort`. Packets are taken first
/// in, first out. The threads that wait drive epoll(7) themselves, up to the concurrency value; the
/// kernel wakes the one that came last, so that no thread ever hands readiness to another. Threads
/// above that value are parked, and released last in, first out.
///
/// The port, and what its sockets owe, lives as long as somebody refers to it.
package final class CompletionPort: SocketProactor, @unchecked Sendable {
    /// How many threads may handle packets at a time (CP-3).
    package let concurrency: Int

    // All guarded by the monitor.
    private var parked: [Worker] = []
    /// Released from the parking place, and on their way.
    private var arriving = 0
    private var running = 0
    private var polling = 0
    private var isWakePending = false
    private var takenSincePoll = 0
    private(set) var isClosed = false
    /// See ``Standing/turns``.
    var turns: [UInt64] = []

    /// Opens a port.
    ///
    /// The corresponding Winsock function is `CreateIoCompletionPort`.
    ///
    /// - Parameters:
    ///   - concurrency: how many threads may handle packets at a time; 0 for one for each
    ///     processor that the process may use.
    ///   - receiveBufferSize: bytes of the buffers that receives without one borrow.
    /// - Throws: what `epoll_create1` or `eventfd` gave.
    package init(
        concurrency: Int = 0,
        receiveBufferSize: Int = 64 * 1024
    ) throws(SystemError) {
        self.concurrency = concurrency > 0 ? concurrency : Processors.available
        try super.init(receiveBufferSize: receiveBufferSize)
    }

    // MARK: Putting packets in

    /// Queues a packet by hand, its contents delivered as they are (CP-6).
    ///
    /// The corresponding Winsock function is `PostQueuedCompletionStatus`. Any thread.
    ///
    /// - Returns: whether the port was open.
    @discardableResult
    package func post(key: UInt64, byteCount: Int = 0, operation: Operation? = nil) -> Bool {
        let reference = unsafe operation.map { unsafe Unmanaged.passRetained($0) }
        let packet = unsafe Packet(
            key: key,
            socket: .none,
            kind: .posted,
            byteCount: byteCount,
            operation: reference,
            lease: nil
        )
        monitor.lock()
        guard !isClosed else {
            monitor.unlock()
            packet.release()
            return false
        }
        queue.append(packet)
        unlockAndWake(releaseWaiter())
        return true
    }

    override func deliver(_ packet: Packet) {
        push(packet)
    }

    override func enqueueTurn(_ turn: Packet) {
        push(turn)
    }

    // What a worker queues it is about to take itself: waking another would be a hop for nothing
    // (PR-7). If more than that is queued, it wakes another when it takes the first.
    private func push(_ packet: Packet) {
        monitor.lock()
        queue.append(packet)
        unlockAndWake(!WorkerThread.belongs(to: self) && releaseWaiter())
    }

    private func unlockAndWake(_ wakes: Bool) {
        monitor.unlock()
        if wakes { epoll.wake() }
    }

    /// Lets a waiting thread take a packet, if the concurrency value allows one more.
    ///
    /// - Returns: whether epoll must be told, after the monitor has been left.
    private func releaseWaiter() -> Bool {
        guard running < concurrency else { return false }
        if polling > 0 {
            guard !isWakePending else { return false }
            isWakePending = true
            return true
        }
        // Who is on the way will look at the queue before anybody else is disturbed.
        if arriving == 0 { unpark() }
        return false
    }

    private func unpark() {
        guard let worker = parked.popLast() else { return }
        arriving += 1
        worker.release()
    }

    // MARK: Taking packets out

    enum Taken {
        case packet(Packet)
        case timedOut
        case abandoned
    }

    /// The next packet; carries out transfers, and waits, as needed.
    func take(_ worker: Worker, until deadline: Deadline) -> Taken {
        monitor.lock()
        stopRunning(worker)
        while true {
            if isClosed {
                // One waking wakes one thread; each passes it on.
                unlockAndWake(polling > 0)
                closing.closeAll()
                return .abandoned
            }
            if running < concurrency {
                if takenSincePoll >= EdgeBuffer.capacity, polling == 0, !queue.isEmpty {
                    poll(worker, until: .now)
                    // Meanwhile another may have begun to handle a packet.
                    continue
                }
                if let packet = queue.removeFirst() {
                    if let packet = begin(packet, worker) { return .packet(packet) }
                    continue
                }
                if running + polling + arriving < concurrency {
                    poll(worker, until: deadline)
                    if !queue.isEmpty || isClosed { continue }
                    if deadline.hasPassed { return timeOut(worker) }
                    continue
                }
            }
            if deadline.hasPassed { return timeOut(worker) }
            if closing.isBehind {
                // Nobody else may come to it.
                monitor.unlock()
                closing.closeAll()
                monitor.lock()
                continue
            }
            park(worker, until: deadline)
        }
    }

    /// Starts handling a packet, or gives a socket its turn.
    ///
    /// Leaves the monitor if that gave a packet.
    private func begin(_ entry: Packet, _ worker: Worker) -> Packet? {
        takenSincePoll += 1
        startRunning(worker)
        unlockAndWake(!queue.isEmpty && releaseWaiter())
        guard entry.isTurn else { return entry }
        var turn = unsafe Turn(buffer: worker.buffer)
        serve(entry, &turn)
        if let packet = turn.packet { return packet }
        monitor.lock()
        stopRunning(worker)
        return nil
    }

    /// Waits for edges, and queues a turn for each.
    ///
    /// Leaves the monitor meanwhile.
    private func poll(_ worker: Worker, until deadline: Deadline) {
        polling += 1
        monitor.unlock()
        let isBehind = closing.beginTurn()
        let count = epoll.wait(worker.edges, milliseconds: isBehind ? 0 : deadline.milliseconds)
        monitor.lock()
        polling -= 1
        takenSincePoll = 0
        for index in 0..<count {
            let (word, readiness) = worker.edges[index]
            if word == Epoll.wakeWord {
                isWakePending = false
            } else {
                queue.append(Packet(turnOf: SocketHandle(word: word), readiness: readiness))
            }
        }
    }

    private func park(_ worker: Worker, until deadline: Deadline) {
        worker.isParked = true
        parked.append(worker)
        while worker.isParked {
            worker.condition.wait(monitor, until: deadline)
            if worker.isParked, deadline.hasPassed {
                worker.isParked = false
                parked.removeAll { $0 === worker }
                return
            }
        }
        arriving -= 1
    }

    private func timeOut(_ worker: Worker) -> Taken {
        startRunning(worker)
        monitor.unlock()
        return .timedOut
    }

    // MARK: Counting running threads (CP-3)

    private func startRunning(_ worker: Worker) {
        worker.isRunning = true
        turns[worker.place] &+= 1
        running += 1
    }

    private func stopRunning(_ worker: Worker) {
        guard worker.isRunning else { return }
        worker.isRunning = false
        turns[worker.place] &+= 1
        running -= 1
    }

    /// A worker blocks or leaves: another may run in its place.
    func suspend(_ worker: Worker) {
        monitor.lock()
        stopRunning(worker)
        if !queue.isEmpty {
            unlockAndWake(releaseWaiter())
            return
        }
        if running + polling + arriving < concurrency { unpark() }
        monitor.unlock()
    }

    /// A worker runs again; there may be more than the concurrency value for a while.
    func resume(_ worker: Worker) {
        monitor.withLock { startRunning(worker) }
    }

    /// Closes the port: every thread that waits on it, or will, is told ``Dequeued/abandoned``.
    ///
    /// Sockets stay open until they are closed or the port goes away; to lose no packet, close them
    /// and dequeue what is left first (CP-9). The corresponding Winsock function is `CloseHandle`.
    package func close() {
        monitor.lock()
        isClosed = true
        while !parked.isEmpty { unpark() }
        unlockAndWake(polling > 0)
    }

    // MARK: Looking at it

    /// How many threads wait for a packet.
    package var waitingCount: Int { monitor.withLock { polling + parked.count } }

    /// How many threads handle packets.
    package var runningCount: Int { monitor.withLock { running } }

    /// How many packets and turns are queued.
    package var queuedCount: Int { monitor.withLock { queue.count } }
}
