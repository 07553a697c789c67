import EchoReactor
import EchoSockets

/// The select model: one thread accepts, and one worker asks `select(2)` which of its sockets are
/// ready, through libevent's `select` method.
///
/// As in the textbook, connections are accepted conditionally: an `fd_set` holds descriptors below
/// `FD_SETSIZE`, and a socket beyond is reset before libevent sees it (PF-1). Unlike in the
/// textbook, an empty set waits without spinning (SEL-2), the sockets are not in an array that two
/// threads change (SB-6), and nothing is written past a buffer (SB-2, SB-3).
final class SelectModel: ServingModel {
    /// Descriptors that fit into an `fd_set`, select(2).
    static let capacity: CInt = 1024

    private let acceptor: AcceptorThread
    private let worker: SelectWorker.Handle

    init(_ context: ServingContext, _ sockets: [ListeningSocket]) throws {
        acceptor = try AcceptorThread(context, sockets)
        worker = try SelectWorker.Handle(context)
    }

    func start() throws {
        try worker.start()
        do {
            try acceptor.start {
                $0 < Self.capacity
            } serve: { [worker] accepted in
                worker.inbox.adopt(Arrival(accepted))
                return .served
            } ended: { [worker] in
                worker.inbox.close()
            }
        } catch {
            worker.inbox.close()
            throw error
        }
    }

    func drain(_ plan: DrainPlan) {
        acceptor.drain(plan)
        worker.inbox.drain(plan)
    }

    func probe(_ heartbeat: Heartbeat) {
        acceptor.probe(heartbeat)
        worker.inbox.probe(heartbeat)
    }

    func join() {
        acceptor.join()
        worker.join()
    }
}

/// The thread that serves all connections.
private final class SelectWorker {
    /// What other threads hold of it.
    final class Handle: Sendable {
        let inbox: WorkerInbox
        private let thread: WorkerThread

        init(_ context: ServingContext) throws {
            let loop = try EventLoop(method: .select)
            let waker = loop.waker
            inbox = WorkerInbox(of: "select") { waker.wake() }
            let core = HandedOver((loop, WorkerCore<SelectConnection>(context, inbox)))
            thread = WorkerThread(name: "select") {
                SelectWorker(core.value.0, core.value.1).run()
            }
        }

        func start() throws { try thread.start() }
        func join() { thread.join() }
    }

    let loop: EventLoop
    let core: WorkerCore<SelectConnection>

    init(_ loop: EventLoop, _ core: WorkerCore<SelectConnection>) {
        self.loop = loop
        self.core = core
    }

    func run() {
        loop.onWake = { [unowned self] in
            for arrival in core.takeMessages() { begin(arrival) }
        }
        while !core.isDone {
            loop.turn(waitingAtMost: core.wait)
            core.housekeep()
        }
        core.retire()
    }

    private func begin(_ arrival: Arrival) {
        guard let socket = arrival.take() else { return }
        let connection = SelectConnection(arrival.peer, socket, at: .coarse)
        core.add(connection)
        connection.begin(self)
    }
}

/// A socket in the worker's set.
private final class SelectConnection: SocketConnection {
    private unowned(unsafe) var worker: SelectWorker?
    private var reading: Watch?
    private var writing: Watch?

    /// Puts the socket into the set.
    func begin(_ worker: SelectWorker) {
        unsafe self.worker = worker
        let wanted = demand
        demand = []
        apply(wanted)
    }

    override func apply(_ wanted: EchoState.Demand) {
        guard wanted != demand, let worker = unsafe worker else { return }
        let before = demand
        demand = wanted.subtracting(.shutdownSend)
        if wanted.contains(.close) { return close(worker) }
        if wanted.contains(.shutdownSend) {
            socket?.shutdown(.sending)
            worker.core.consider(self)
        }
        do throws(ReactorError) {
            if wanted.contains(.receive) != before.contains(.receive) {
                try watch(&reading, .read, wanted.contains(.receive), worker)
            }
            if wanted.contains(.send) != before.contains(.send) {
                try watch(&writing, .write, wanted.contains(.send), worker)
            }
        } catch {
            apply(session.handle(.failed(error.errno), worker.core.state))
        }
    }

    private func watch(
        _ watch: inout Watch?,
        _ readiness: Readiness,
        _ wanted: Bool,
        _ worker: SelectWorker
    ) throws(ReactorError) {
        guard wanted, let number = socket?.number else {
            watch = nil
            return
        }
        let fresh = unsafe try Watch(
            worker.loop,
            descriptor: number,
            readiness,
            persistent: true,
            context: Unmanaged.passUnretained(self).toOpaque(),
            callback: selectedSocketReady
        )
        try fresh.add()
        watch = consume fresh
    }

    private func close(_ worker: SelectWorker) {
        // Out of the set before the descriptor goes: its number may be another's at once (PF-9).
        reading = nil
        writing = nil
        closeSocket()
        worker.core.remove(self)
    }

    /// Transfers what can be; gives what the rules demand then.
    fileprivate func ready(_ what: Readiness) -> EchoState.Demand {
        guard let worker = unsafe worker else { return demand }
        worker.core.state.refreshTime()
        return what.contains(.write) ? writable(worker.core.state) : readable(worker.core.state)
    }
}

private func selectedSocketReady(_: CInt, _ what: Int16, _ context: UnsafeMutableRawPointer?) {
    guard let context = unsafe context else { return }
    let connection = unsafe Unmanaged<SelectConnection>.fromOpaque(context)
    let changes = unsafe connection._withUnsafeGuaranteedRef { connection in
        let demand = connection.ready(Readiness(rawValue: what))
        return demand != connection.demand ? demand : nil
    }
    // Only here a strong reference is needed: closing drops the worker's.
    if let changes { unsafe connection.takeUnretainedValue().apply(changes) }
}
