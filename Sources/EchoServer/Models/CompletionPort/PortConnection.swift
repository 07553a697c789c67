import EchoProactor
import EchoSockets
import Glibc

/// A connection on a completion port: a receive posted ahead, and a send while the peer takes less
/// than it is owed; completed on whichever worker takes the packet.
///
/// Its address is the key of its packets. It lives until its last packet has been taken: a packet
/// that comes after closing finds it still there (OV-8, PF-17).
final class PortConnection: Sendable {
    private struct State {
        var echo: EchoState
        var handle = SocketHandle.none
        /// The send under way; on the heap only while there is one.
        var sending: PendingSend?
        var isReceiving = false

        var isPending: Bool { isReceiving || sending != nil }
    }

    // Part of the state, and guarded by its lock.
    private final class PendingSend: @unchecked Sendable {
        /// What the rules have been told of it.
        var credited = 0
        /// What was received behind it.
        var backlog = EchoBuffer()
    }

    /// The most bytes of a backlog that are sent as one operation: what is sent counts when the
    /// operation completes, and reading goes on when enough has been.
    private static let sendSize = 64 * 1024

    /// Who is at the other end.
    let peer: Peer
    private let state: Locked<State>
    /// Where the service keeps it; the service's lock guards it.
    nonisolated(unsafe) var index: UInt32 = 0

    /// A connection that begins now.
    init(peer: Peer, at now: MonotonicTime) {
        self.peer = peer
        state = Locked(State(echo: EchoState(at: now)))
    }

    /// The key of its packets.
    var key: UInt64 {
        unsafe UInt64(UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque()))
    }

    /// The rules' account, for the log.
    var echo: EchoState { state.withLock { $0.echo } }

    /// Posts the first receive.
    func begin(
        _ handle: SocketHandle,
        _ port: CompletionPort,
        _ worker: WorkerState,
        isDraining: Bool
    ) -> Bool {
        state.withLock { state in
            state.handle = handle
            let demand =
                isDraining
                ? state.echo.handle(.drain, at: worker.now, worker.rules) : EchoState.Demand.receive
            return Self.post(demand, &state, port, worker)
        }
    }

    /// Takes a packet and posts the next operation.
    ///
    /// - Returns: whether the connection is over.
    func completed(
        _ packet: Packet,
        _ port: CompletionPort,
        _ worker: WorkerState
    ) -> Bool {
        state.withLock { state in
            let sending = packet.kind == .send ? state.sending.take() : nil
            if sending == nil { state.isReceiving = false }
            guard !state.echo.isClosed else { return !state.isPending }
            let (now, rules) = (worker.now, worker.rules)
            let demand: EchoState.Demand
            if let error = packet.error {
                demand = state.echo.handle(.failed(error), at: now, rules)
            } else if let sending {
                demand = Self.sent(packet.byteCount, sending, &state, port, worker)
            } else if packet.byteCount > 0 {
                demand = unsafe Self.echo(packet.bytes, &state, port, worker)
            } else {
                demand = state.echo.handle(.endOfInput, at: now, rules)
            }
            return Self.post(demand, &state, port, worker)
        }
    }

    private static func echo(
        _ bytes: UnsafeRawBufferPointer,
        _ state: inout State,
        _ port: CompletionPort,
        _ worker: WorkerState
    ) -> EchoState.Demand {
        let (discards, wasPaused) = (state.echo.discardsInput, state.echo.isPaused)
        var demand = state.echo.handle(.received(bytes.count), at: worker.now, worker.rules)
        guard !discards else { return demand }
        worker.counters.received(bytes.count)
        if let sending = state.sending {
            unsafe sending.backlog.append(bytes)
        } else {
            demand = unsafe send(bytes, nil, &state, port, worker)
        }
        if state.echo.isPaused, !wasPaused { worker.counters.paused() }
        return demand
    }

    // A send has completed: counts it, and sends what has been received meanwhile.
    private static func sent(
        _ count: Int,
        _ ended: PendingSend,
        _ state: inout State,
        _ port: CompletionPort,
        _ worker: WorkerState
    ) -> EchoState.Demand {
        var demand = credit(count, ended, &state, worker)
        while !ended.backlog.isEmpty, state.sending == nil, !state.echo.isClosed {
            let count = min(sendSize, ended.backlog.count)
            demand = unsafe ended.backlog.withBytes {
                let part = unsafe UnsafeRawBufferPointer(rebasing: $0[..<count])
                return unsafe send(part, ended, &state, port, worker)
            }
            ended.backlog.removeFirst(count)
        }
        return demand
    }

    // If it is not done at once, `former` is used again for what is under way.
    private static func send(
        _ bytes: UnsafeRawBufferPointer,
        _ former: PendingSend?,
        _ state: inout State,
        _ port: CompletionPort,
        _ worker: WorkerState
    ) -> EchoState.Demand {
        switch unsafe port.send(bytes, on: state.handle) {
        case .completed(let count):
            worker.counters.sent(count)
            return state.echo.handle(.sent(count), at: worker.now, worker.rules)
        case .pending:
            let sending = former ?? PendingSend()
            sending.credited = 0
            state.sending = sending
            return credit(port.sendProgress(on: state.handle), sending, &state, worker)
        case .refused(let errno):
            return state.echo.handle(.failed(errno), at: worker.now, worker.rules)
        }
    }

    // Counts what the kernel has taken of a send since the rules were last told.
    private static func credit(
        _ total: Int,
        _ sending: PendingSend,
        _ state: inout State,
        _ worker: WorkerState
    ) -> EchoState.Demand {
        let count = max(0, total - sending.credited)
        sending.credited += count
        worker.counters.sent(count)
        return state.echo.handle(.sent(count), at: worker.now, worker.rules)
    }

    /// Asks the rules what time has brought.
    ///
    /// - Returns: whether the connection is over.
    func check(
        _ event: EchoState.Event,
        _ port: CompletionPort,
        _ worker: WorkerState
    ) -> Bool {
        state.withLock { state in
            // Whoever closed it, or takes its last packet, was told: nobody is told twice.
            guard !state.echo.isClosed else { return false }
            if let sending = state.sending {
                let progress = port.sendProgress(on: state.handle)
                _ = Self.credit(progress, sending, &state, worker)
            }
            let (handle, isReceiving) = (state.handle, state.isReceiving)
            let demand = state.echo.check(event, at: worker.now, worker.rules) { demand in
                // A receive that is complete and whose packet nobody has handled yet counts: the
                // kernel does not speak of its bytes any more.
                if isReceiving, !port.hasPendingReceive(on: handle) { return true }
                return port.withSocket(handle) { $0.isReady(for: demand) } == true
            }
            return Self.post(demand, &state, port, worker)
        }
    }

    /// Does what the rules demand.
    ///
    /// - Returns: whether the connection is over.
    private static func post(
        _ demand: EchoState.Demand,
        _ state: inout State,
        _ port: CompletionPort,
        _ worker: WorkerState
    ) -> Bool {
        if demand.contains(.close) { return close(&state, port) }
        if demand.contains(.shutdownSend) { port.shutdown(.sending, on: state.handle) }
        guard !state.isReceiving, demand.contains(.receive) else { return false }
        // The packet may be another worker's before this returns; the lock makes it wait (PR-9).
        let room = state.echo.allowance(worker.rules)
        switch port.receive(on: state.handle, atMost: room) {
        case .pending, .completed:
            state.isReceiving = true
            return false
        case .refused(let errno):
            _ = state.echo.handle(.failed(errno), at: worker.now, worker.rules)
            return close(&state, port)
        }
    }

    // What is under way is indicated as aborted; only then the connection is over (OV-8).
    private static func close(_ state: inout State, _ port: CompletionPort) -> Bool {
        state.sending?.backlog.removeAll()
        if state.echo.resetsOnClose { port.withSocket(state.handle) { $0.setResetOnClose() } }
        port.close(state.handle, later: true)
        return !state.isPending
    }
}
