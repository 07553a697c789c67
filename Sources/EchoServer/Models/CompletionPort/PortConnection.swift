import EchoProactor
import EchoSockets
import EchoWinsock

/// A connection on a completion port: what a worker does with a packet of its socket.
///
/// The port keeps it until its last packet has been dealt with, so that one which comes after
/// closing finds it still there (OV-8, PF-17). Its packets may be with two workers at a time: one
/// of a receive and one of a send.
final class PortConnection: Sendable {
    private struct State: ~Copyable {
        var echo: CompletionEcho
        var socket = SocketHandle.none
    }

    /// Who is at the other end.
    let peer: Peer
    private let state: Locked<State>

    /// A connection that begins now.
    init(peer: Peer, at now: MonotonicTime) {
        self.peer = peer
        state = Locked(State(echo: CompletionEcho(at: now)))
    }

    /// The rules' account, for the log.
    var echo: EchoState { state.withLock { $0.echo.state } }

    /// Posts the first receive.
    ///
    /// - Returns: whether the connection has closed.
    func begin(
        _ socket: SocketHandle,
        _ port: CompletionPort,
        _ worker: WorkerState,
        isDraining: Bool
    ) -> Bool {
        state.withLock { state in
            state.socket = socket
            let (now, rules) = (worker.now, worker.rules)
            let action =
                isDraining
                ? state.echo.check(.drain, at: now, rules) { _, _ in false }
                : state.echo.next(rules)
            return Self.perform(action, &state, port, worker)
        }
    }

    /// Takes a packet, and posts what follows from it.
    ///
    /// - Returns: whether the connection has closed.
    func completed(_ packet: Packet, _ port: CompletionPort, _ worker: WorkerState) -> Bool {
        state.withLock { state in
            guard !state.echo.isClosed else { return false }
            let action = Self.action(after: packet, &state.echo, worker)
            return Self.perform(action, &state, port, worker)
        }
    }

    // The per-operation data is the packet's own: what it was, how it ended, and its bytes.
    private static func action(
        after packet: Packet,
        _ echo: inout CompletionEcho,
        _ worker: WorkerState
    ) -> CompletionEcho.Action {
        let (now, rules) = (worker.now, worker.rules)
        if let error = packet.error { return echo.failed(error, at: now, rules) }
        if case .send = packet.kind {
            worker.counters.sent(echo.uncredited(of: packet.byteCount))
            return echo.sent(packet.byteCount, at: now, rules)
        }
        guard packet.byteCount > 0 else { return echo.endOfInput(at: now, rules) }
        if !echo.state.discardsInput { worker.counters.received(packet.byteCount) }
        return unsafe echo.received(packet.bytes, at: now, rules)
    }

    private static func perform(
        _ first: CompletionEcho.Action,
        _ state: inout State,
        _ port: CompletionPort,
        _ worker: WorkerState
    ) -> Bool {
        var action = first
        while true {
            switch action {
            case .receive(let limit):
                // The packet may be another worker's before this returns; the lock makes it wait
                // (PR-9).
                let submission = port.receive(on: state.socket, atMost: limit)
                guard case .refused(let errno) = submission else {
                    action = .nothing
                    continue
                }
                action = state.echo.failed(errno, at: worker.now, worker.rules)
            case .send(let bytes): action = unsafe send(bytes, &state, port, worker)
            case .shutDownSending:
                port.shutdown(.sending, on: state.socket)
                action = state.echo.next(worker.rules)
            case .close(let resetting):
                // What is under way is indicated as aborted (OV-8).
                if resetting { port.withSocket(state.socket) { $0.setResetOnClose() } }
                port.close(state.socket, later: true)
                return true
            case .nothing:
                if state.echo.hasPaused() { worker.counters.paused() }
                return false
            }
        }
    }

    private static func send(
        _ bytes: UnsafeRawBufferPointer,
        _ state: inout State,
        _ port: CompletionPort,
        _ worker: WorkerState
    ) -> CompletionEcho.Action {
        let (now, rules) = (worker.now, worker.rules)
        let socket = state.socket
        let submission = unsafe port.send(bytes, on: socket) { unsafe state.echo.keepUnsent($0) }
        switch submission {
        case .completed(let count):
            worker.counters.sent(count)
            return state.echo.sent(count, at: now, rules)
        case .pending:
            let progress = port.sendProgress(on: socket)
            worker.counters.sent(state.echo.progressed(to: progress, at: now, rules))
            return state.echo.next(rules)
        case .refused(let errno): return state.echo.failed(errno, at: now, rules)
        }
    }

    /// Asks the rules what time has brought, and does it.
    ///
    /// - Returns: whether the connection has closed.
    func check(
        _ event: EchoState.Event,
        _ port: CompletionPort,
        _ worker: WorkerState
    ) -> Bool {
        state.withLock { state in
            guard !state.echo.isClosed else { return false }
            let (now, rules, socket) = (worker.now, worker.rules, state.socket)
            let progress = port.sendProgress(on: socket)
            worker.counters.sent(state.echo.progressed(to: progress, at: now, rules))
            let isReceiving = state.echo.isReceiving
            let action = state.echo.check(event, at: now, rules) { demand, silence in
                // A receive that is complete and whose packet nobody has handled yet counts: the
                // kernel does not speak of its bytes any more.
                if isReceiving, !port.hasPendingReceive(on: socket) { return true }
                return port.withSocket(socket) {
                    Socket.isReady($0.number, for: demand, after: silence)
                } == true
            }
            return Self.perform(action, &state, port, worker)
        }
    }
}
