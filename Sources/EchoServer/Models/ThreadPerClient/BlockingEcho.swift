import EchoSockets
import Glibc

/// One client's thread: receives and sends back with blocking calls until the connection ends.
struct BlockingEcho: ~Copyable {
    private let peer: Peer
    private let stream: BlockingSocket
    private let context: ServingContext
    private let control: ClientThreads.Control
    private let worker: WorkerState
    private let housekeeper: Housekeeper
    private let beginning = Beginning(at: .coarse)
    private var echo = ReadinessEcho(at: .coarse)
    private var demand = EchoState.Demand.receive
    // Whether the rules depend on a time that no blocking call observes.
    private var polls = false

    /// Takes over a blocking socket.
    ///
    /// - Parameters:
    ///   - peer: the peer.
    ///   - socket: the socket.
    ///   - context: rules, counts and log.
    ///   - control: informs the thread of a shutdown.
    init(
        _ peer: Peer,
        _ socket: consuming Socket,
        _ context: ServingContext,
        _ control: ClientThreads.Control
    ) {
        self.peer = peer
        self.context = context
        self.control = control
        worker = WorkerState(context)
        stream = BlockingSocket(socket: socket, worker: worker)
        housekeeper = Housekeeper(context.rules)
        // A little longer than the rules' time, so that it has passed when they check.
        if let idle = context.rules.idleTimeout { bound(idle + .milliseconds(20)) }
    }

    // From here on no call may block for ever, because the rules need to be asked: where the kernel
    // bounds no call, the thread waits with `poll(2)`.
    private mutating func bound(_ timeout: Duration) {
        guard (try? stream.socket.setBlockingTimeout(timeout)) == nil else { return }
        stopBlocking()
        housekeeper.consider(echo.state)
    }

    private mutating func stopBlocking() {
        polls = true
        try? stream.socket.descriptor.setNonBlocking(true)
    }

    /// Serves until the connection ends, and accounts for it.
    consuming func run() {
        while !demand.contains(.close) {
            if let plan = control.acknowledge(), housekeeper.drain(plan) { stopBlocking() }
            if polls { waitUntilReady() } else { transfer() }
        }
        let (peer, beginning, state) = (peer, beginning, echo.state)
        let (context, worker) = (context, worker)
        if state.resetsOnClose { stream.socket.setResetOnClose() }
        _ = consume stream
        context.ended(peer, since: beginning, state)
        context.counters.retire(worker.counters)
    }

    // Blocks.
    private mutating func transfer() {
        let sends = demand.contains(.send)
        apply(sends ? echo.writable(stream, worker) : echo.readable(stream, worker))
        if context.rules.idleTimeout != nil, !demand.contains(.close) { check(.tick) }
    }

    private mutating func apply(_ demand: EchoState.Demand) {
        self.demand = demand
        if demand.contains(.shutdownSend) {
            stream.socket.shutdown(.sending)
            bound(context.rules.lingerTimeout + .milliseconds(20))
        }
    }

    // Passes a time event to the rules.
    private mutating func check(_ event: EchoState.Event) {
        let (number, polls) = (stream.socket.number, polls)
        apply(
            echo.check(event, worker) { demand, silence in
                // A thread that blocks in a send does not receive meanwhile.
                let wanted = demand.contains(.send) && !polls ? .send : demand
                return Socket.isReady(number, for: wanted, after: silence)
            }
        )
    }

    // For example while draining: wait for the socket or for the next moment of the rules,
    // whichever comes first.
    private mutating func waitUntilReady() {
        let rest = housekeeper.due.map { ($0 - .coarse).millisecondsRoundedUp } ?? -1
        let ready = stream.socket.wait(for: demand.pollEvents, atMost: rest)
        worker.refreshTime()
        if ready & POLLOUT != 0 { apply(echo.writable(stream, worker)) }
        if ready & ~POLLOUT != 0, !demand.contains(.close) { apply(echo.readable(stream, worker)) }
        guard !demand.contains(.close) else { return }
        check(housekeeper.event(worker.now))
        housekeeper.schedule(
            earliest: echo.state.deadline(context.rules),
            isEmpty: false,
            worker.now
        )
    }
}

/// A blocking socket whose calls end early when a signal arrives.
///
/// What a call has led to has happened when it returns, which may be long after it began.
private struct BlockingSocket: ~Copyable, ByteStream {
    let socket: Socket
    let worker: WorkerState

    func receive(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        defer { worker.refreshTime() }
        return unsafe socket.receiveInterruptible(into: buffer)
    }

    func send(_ buffer: UnsafeRawBufferPointer) -> Transfer {
        defer { worker.refreshTime() }
        return unsafe socket.sendInterruptible(buffer)
    }
}
