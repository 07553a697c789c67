import EchoSockets
import Glibc
import Synchronization

/// The baseline: a thread for each connection, which blocks in `recv` and in `send`.
///
/// Simple, and two system calls an echo; but a thousand idle clients are a thousand threads.
///
/// A blocked thread is told of a shutdown by a signal that does nothing but end its system call.
/// From then on it waits with `poll(2)`, because draining depends on time.
final class ThreadPerClientModel: ServingModel {
    private let context: ServingContext
    private let acceptor: AcceptorThread
    private let clients: ClientThreads

    init(_ context: ServingContext, _ sockets: [ListeningSocket]) throws {
        self.context = context
        acceptor = try AcceptorThread(context, sockets)
        clients = try ClientThreads()
    }

    func start() throws {
        try acceptor.start(blocking: true) { [context, clients] accepted in
            Self.serve(accepted, context, clients)
        } ended: { [clients] in
            clients.close()
        }
    }

    // Gives it back when the system allows no further thread.
    private static func serve(
        _ accepted: consuming AcceptedSocket,
        _ context: ServingContext,
        _ clients: ClientThreads
    ) -> HandOver {
        let client = HandedOver(BlockingClient(accepted))
        do throws(SystemError) {
            try clients.start { control in
                var echo = BlockingEcho(client.value, context, control)
                echo.run()
            }
            return .served
        } catch {
            guard let accepted = client.value.giveBack() else { return .served }
            return .lacking(error.errno, accepted)
        }
    }

    func drain(_ plan: DrainPlan) {
        acceptor.drain(plan)
        clients.drain(plan)
    }

    func probe(_ heartbeat: Heartbeat) {
        acceptor.probe(heartbeat)
        clients.probe(heartbeat)
    }

    func join() {
        clients.join()
        acceptor.join()
    }
}

/// A client's blocking socket and its echo rules.
private final class BlockingClient {
    let peer: Peer
    let beginning = Beginning(at: .coarse)
    private var stream: BlockingSocket?
    private var session = ReadinessEcho(at: .coarse)

    init(_ accepted: consuming AcceptedSocket) {
        peer = accepted.peer
        stream = BlockingSocket(socket: accepted.socket)
    }

    var state: EchoState { session.state }

    func handle(_ event: EchoState.Event, _ worker: WorkerState) -> EchoState.Demand {
        session.check(event, worker, isReady: isReady)
    }

    private func isReady(for demand: EchoState.Demand) -> Bool {
        switch stream {
        case .some(let open): open.socket.isReady(for: demand)
        case .none: false
        }
    }

    func readable(_ worker: WorkerState) -> EchoState.Demand {
        switch stream {
        case .some(let open): session.readable(open, worker)
        case .none: .close
        }
    }

    func writable(_ worker: WorkerState) -> EchoState.Demand {
        switch stream {
        case .some(let open): session.writable(open, worker)
        case .none: .close
        }
    }

    /// Calls `body` with the socket.
    func withSocket(_ body: (borrowing Socket) -> Void) {
        switch stream {
        case .some(let open): body(open.socket)
        case .none: break
        }
    }

    /// Gives the connection back as it came; `nil` if it is closed.
    func giveBack() -> AcceptedSocket? {
        guard let stream = stream.take() else { return nil }
        return AcceptedSocket(socket: stream.socket, peer: peer)
    }

    func reset() {
        withSocket { $0.setResetOnClose() }
        stream = nil
    }

    func close() {
        if session.state.resetsOnClose { reset() }
        stream = nil
    }
}

/// A blocking socket whose calls end early when a signal arrives.
private struct BlockingSocket: ~Copyable, ByteStream {
    let socket: Socket

    func receive(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        unsafe socket.receiveInterruptible(into: buffer)
    }

    func send(_ buffer: UnsafeRawBufferPointer) -> Transfer {
        unsafe socket.sendInterruptible(buffer)
    }
}

/// One client's thread: the echo rules driven by blocking calls.
private struct BlockingEcho: ~Copyable {
    private let client: BlockingClient
    private let context: ServingContext
    private let control: ClientThreads.Control
    private let worker: WorkerState
    private var demand = EchoState.Demand.receive
    private let housekeeper: Housekeeper
    private var polls = false

    init(
        _ client: BlockingClient,
        _ context: ServingContext,
        _ control: ClientThreads.Control
    ) {
        self.client = client
        self.context = context
        self.control = control
        worker = WorkerState(context)
        housekeeper = Housekeeper(context.rules)
        // A little longer than the rules say, so that they find the time has passed.
        if let idle = context.rules.idleTimeout { bound(idle + .milliseconds(20)) }
    }

    // What may not block for ever, because the rules want to be asked: where the kernel bounds no
    // call, it waits with `poll(2)` from here on.
    private mutating func bound(_ timeout: Duration) {
        var isBounded = true
        client.withSocket { isBounded = (try? $0.setBlockingTimeout(timeout)) != nil }
        guard !isBounded else { return }
        polls = true
        stopBlocking()
        housekeeper.consider(client.state)
    }

    private func stopBlocking() {
        client.withSocket { try? $0.descriptor.setNonBlocking(true) }
    }

    mutating func run() {
        while !demand.contains(.close) {
            if let plan = control.acknowledge(), housekeeper.drain(plan) {
                polls = true
                stopBlocking()
            }
            if polls { waitUntilReady() } else { transfer() }
        }
        client.close()
        context.ended(client.peer, since: client.beginning, client.state)
        context.counters.retire(worker.counters)
    }

    private mutating func transfer() {
        worker.refreshTime()
        apply(demand.contains(.send) ? client.writable(worker) : client.readable(worker))
        guard demand == .receive, context.rules.idleTimeout != nil || demand.contains(.shutdownSend)
        else { return }
        worker.refreshTime()
        apply(client.handle(.tick, worker))
    }

    private mutating func apply(_ demand: EchoState.Demand) {
        self.demand = demand
        if demand.contains(.shutdownSend) {
            client.withSocket { $0.shutdown(.sending) }
            bound(context.rules.lingerTimeout + .milliseconds(20))
        }
    }

    // Draining, for example: wait for whatever comes first, the socket or the next moment of the rules.
    private mutating func waitUntilReady() {
        let ready = poll()
        worker.refreshTime()
        if ready & POLLOUT != 0 { apply(client.writable(worker)) }
        if ready & ~POLLOUT != 0, !demand.contains(.close) { apply(client.readable(worker)) }
        guard !demand.contains(.close) else { return }
        apply(client.handle(housekeeper.event(worker.now), worker))
        housekeeper.schedule(
            earliest: client.state.deadline(context.rules),
            isEmpty: false,
            worker.now
        )
    }

    private func poll() -> Int32 {
        let rest = housekeeper.due.map { ($0 - .coarse).millisecondsRoundedUp } ?? -1
        var ready: Int32 = 0
        client.withSocket { socket in
            ready = socket.wait(for: demand.pollEvents, atMost: rest)
        }
        return ready
    }
}
