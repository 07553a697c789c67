import Glibc
import Proactor
import Sockets

/// A connection on a completion port: operations posted ahead, one at a time, completed on
/// whichever worker takes the packet.
///
/// Its address is the key of its packets. It lives until its last packet has been taken: a packet
/// that comes after closing finds it still there (OV-8, PF-17).
final class PortConnection: Sendable {
    private struct State {
        var echo: EchoState
        var handle = SocketHandle.none
        /// What the rules have been told of the send under way.
        var credited: UInt32 = 0
        /// An operation is under way.
        var isPending = false
    }

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
            state.isPending = false
            guard !state.echo.isClosed else { return true }
            let (now, rules) = (worker.now, worker.rules)
            if let error = packet.error {
                return Self.post(
                    state.echo.handle(.failed(error), at: now, rules),
                    &state,
                    port,
                    worker
                )
            }
            if packet.kind == .send {
                let demand = Self.credit(packet.byteCount, &state, worker)
                state.credited = 0
                return Self.post(demand, &state, port, worker)
            }
            guard packet.byteCount > 0 else {
                return Self.post(
                    state.echo.handle(.endOfInput, at: now, rules),
                    &state,
                    port,
                    worker
                )
            }
            return unsafe Self.echo(packet.bytes, &state, port, worker)
        }
    }

    private static func echo(
        _ bytes: UnsafeRawBufferPointer,
        _ state: inout State,
        _ port: CompletionPort,
        _ worker: WorkerState
    ) -> Bool {
        let (now, rules) = (worker.now, worker.rules)
        let discards = state.echo.discardsInput
        var demand = state.echo.handle(.received(bytes.count), at: now, rules)
        guard !discards else { return post(demand, &state, port, worker) }
        worker.counters.received(bytes.count)
        switch unsafe port.send(bytes, on: state.handle) {
        case .completed(let count):
            worker.counters.sent(count)
            demand = state.echo.handle(.sent(count), at: now, rules)
        case .pending:
            // While anything is owed nothing is received: what is owed stays within one buffer.
            worker.counters.paused()
            state.isPending = true
            return false
        case .refused(let errno): demand = state.echo.handle(.failed(errno), at: now, rules)
        }
        return post(demand, &state, port, worker)
    }

    // Counts what the kernel has taken of a send since the rules were last told.
    private static func credit(
        _ total: Int,
        _ state: inout State,
        _ worker: WorkerState
    ) -> EchoState.Demand {
        let count = max(0, total - Int(state.credited))
        state.credited += UInt32(count)
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
            if state.isPending, state.echo.owed > 0 {
                _ = Self.credit(port.sendProgress(on: state.handle), &state, worker)
            }
            let demand = state.echo.handle(event, at: worker.now, worker.rules)
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
        guard !state.isPending, demand.contains(.receive) else { return false }
        // The packet may be another worker's before this returns; the lock makes it wait (PR-9).
        switch port.receive(on: state.handle) {
        case .pending, .completed:
            state.isPending = true
            return false
        case .refused(let errno):
            _ = state.echo.handle(.failed(errno), at: worker.now, worker.rules)
            return close(&state, port)
        }
    }

    // What is under way is indicated as aborted; only then the connection is over (OV-8).
    private static func close(_ state: inout State, _ port: CompletionPort) -> Bool {
        if state.echo.resetsOnClose { port.withSocket(state.handle) { $0.setResetOnClose() } }
        port.close(state.handle)
        return !state.isPending
    }
}
