import EchoReactor
import EchoSockets
import EchoWinsock

/// The async-select model (`WSAAsyncSelect`): readiness becomes messages in a queue, and one
/// thread takes them out one by one and hands them to one procedure.
///
/// As in Winsock, a message says which socket, which event and which error; the next message of a
/// kind comes only after the call that re-enables it (AS-4). The procedure reads before it closes
/// (SB-10), never closes the listener for a client's sake (SB-9), and finds nothing when a message
/// comes too late (AS-2, SB-8).
final class AsyncSelectModel: ServingModel {
    private let inbox: WorkerInbox
    private let thread: WorkerThread

    init(_ context: ServingContext, _ sockets: [ListeningSocket]) throws {
        let window = try AsyncSelectWindow(context, sockets)
        inbox = window.core.inbox
        let handedOver = HandedOver(window)
        thread = WorkerThread(name: "async-select") { handedOver.value.run() }
    }

    func start() throws {
        try thread.start()
    }

    func drain(_ plan: DrainPlan) {
        inbox.drain(plan)
    }

    func probe(_ heartbeat: Heartbeat) {
        inbox.probe(heartbeat)
    }

    func join() {
        thread.join()
    }
}

/// The message queue and the procedure that handles messages: what a hidden window is to a
/// Winsock program.
private final class AsyncSelectWindow {
    let core: WorkerCore<NetworkConnection>
    private let pump: MessagePump
    private let context: ServingContext
    private var acceptors: [MessageAcceptor] = []
    private var connections = ConnectionsByHandle()
    private var timer: LoopTimer?
    private var isDraining = false

    init(_ context: ServingContext, _ sockets: [ListeningSocket]) throws {
        self.context = context
        let loop = try EventLoop()
        let waker = loop.waker
        core = WorkerCore(context, WorkerInbox(of: "async-select") { waker.wake() })
        pump = MessagePump(loop)
        timer = try LoopTimer(on: loop) { [unowned self] in keepHouse() }
        loop.onWake = { [unowned self] in takeOrders() }
        acceptors = try sockets.map { socket in
            // The last thing a shutdown waits for may be that an acceptor finds its queue empty.
            try MessageAcceptor(socket, context, pump) { [unowned self] in
                begin($0)
            } resumed: { [unowned self] in
                keepHouse()
            }
        }
    }

    func run() {
        takeOrders()
        while let message = pump.next() {
            if case .network(let message) = message { procedure(message) }
        }
        pump.loop.closing.closeAll()
        core.retire()
    }

    /// What `WndProc` is to a window.
    private func procedure(_ message: NetworkMessage) {
        switch message.event {
        case .read: handle(message) { $0.readable() }
        case .write: handle(message) { $0.writable() }
        case .close: handle(message) { $0.ended() }
        case .accept:
            acceptor(message)?.accept()
            if isDraining { keepHouse() }
        case .addressListChange:
            context.log.addressesChanged()
            acceptor(message)?.watchAddresses()
        default: break
        }
    }

    private func acceptor(_ message: NetworkMessage) -> MessageAcceptor? {
        acceptors.first { $0.address == message.socket }
    }

    private func handle(
        _ message: NetworkMessage,
        _ body: (NetworkConnection) -> EchoState.Demand
    ) {
        guard let connection = unsafe connections[message.socket] else { return }
        let changes = unsafe connection._withUnsafeGuaranteedRef { connection in
            let demand = body(connection)
            return demand == connection.demand ? nil : demand
        }
        // Only here a strong reference is needed: closing drops the core's.
        if let changes { unsafe apply(changes, to: connection.takeUnretainedValue()) }
    }

    private func apply(_ demand: EchoState.Demand, to connection: NetworkConnection) {
        connection.apply(demand)
        if isDraining { keepHouse() }
    }

    private func begin(_ accepted: consuming AcceptedSocket) {
        let peer = accepted.peer
        var opened: NetworkSocket?
        do throws(ReactorError) {
            let socket = try NetworkSocket(pump.loop, adopting: accepted.socket)
            opened = socket
            let connection = NetworkConnection(peer, socket, core.state) { [unowned self] ended in
                connections.remove(ended)
                core.remove(ended)
                core.settle()
            }
            try socket.select([.read, .write, .close], postingTo: pump.queue)
            connections.insert(connection)
            core.add(connection)
        } catch {
            opened?.reset()
            context.refused(peer, error.errno)
        }
        keepHouse()
    }

    // What other threads have sent, the order to drain; or that a connection has ended, which may
    // end a pause.
    private func takeOrders() {
        _ = core.takeMessages()
        if core.isDraining, !isDraining {
            isDraining = true
            for acceptor in acceptors { acceptor.drain() }
        }
        for acceptor in acceptors { acceptor.resume() }
        keepHouse()
    }

    private func keepHouse() {
        core.housekeep()
        if core.isPastDeadline { for acceptor in acceptors { acceptor.close() } }
        if isDraining, acceptors.allSatisfy({ !$0.isOpen }) {
            core.expectNoMore()
            if core.isDone { pump.postQuit() }
        }
        if let wait = core.wait { try? timer?.schedule(after: wait) }
    }
}

/// Finds a connection by its socket's handle.
///
/// The core owns the connections.
@safe
private struct ConnectionsByHandle {
    private var places: [Unmanaged<NetworkConnection>?] = unsafe []

    /// The connection; `nil` if its socket is closed, even if its place is another's now (AS-2).
    subscript(address: SlotAddress) -> Unmanaged<NetworkConnection>? {
        let index = Int(address.index)
        guard unsafe index < places.count, let connection = unsafe places[index],
            unsafe connection._withUnsafeGuaranteedRef({ $0.socket.address == address })
        else { return nil }
        return unsafe connection
    }

    mutating func insert(_ connection: NetworkConnection) {
        let index = Int(connection.socket.address.index)
        while unsafe places.count <= index { unsafe places.append(nil) }
        unsafe places[index] = Unmanaged.passUnretained(connection)
    }

    mutating func remove(_ connection: NetworkConnection) {
        let index = Int(connection.socket.address.index)
        if unsafe index < places.count { unsafe places[index] = nil }
    }
}
