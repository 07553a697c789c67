// The textbook's outline of WSAAsyncSelect:
//
//     WSAAsyncSelect(listener, window, WM_SOCKET, FD_ACCEPT);
//     while GetMessage(&message): DispatchMessage(&message);
//     WndProc(window, WM_SOCKET, socket, event):
//         FD_ACCEPT: client = accept(socket);
//                    WSAAsyncSelect(client, window, WM_SOCKET, FD_READ | FD_WRITE | FD_CLOSE);
//         FD_READ:   recv, send what was received
//         FD_WRITE:  send the rest
//         FD_CLOSE:  recv the rest, closesocket(socket)

import EchoReactor
import EchoSockets
import EchoWinsock

/// The async-select model (`WSAAsyncSelect`): readiness becomes messages in a queue, and one thread
/// takes them one by one and passes them to one procedure.
///
/// As in Winsock, a message names the socket, the event and the error; the next message of a kind
/// comes only after the call that re-enables it (AS-4). The procedure reads before it closes
/// (SB-10), never closes the listener because of a client (SB-9), and finds nothing when a message
/// comes too late (AS-2, SB-8).
final class AsyncSelectModel: ServingModel {
    private let window: HandedOver<AsyncSelectWindow>
    private let inbox: WorkerInbox
    private let thread = Locked<Thread?>(nil)

    init(_ context: ServingContext, _ sockets: ServedSockets) throws {
        window = HandedOver(try AsyncSelectWindow(context, sockets))
        inbox = window.value.core.inbox
    }

    func start() throws {
        let started = try Thread(name: "async-select") { [window] in window.value.run() }
        thread.withLock { $0 = started }
    }

    func drain(_ plan: DrainPlan) {
        inbox.drain(plan)
    }

    func probe(_ heartbeat: Heartbeat) {
        inbox.probe(heartbeat)
    }

    func join() {
        thread.withLock { $0.take() }?.join()
    }
}

/// The message queue and the procedure that handles messages: what a hidden window is to a
/// Winsock program.
private final class AsyncSelectWindow: NetworkWorker {
    private let pump: MessagePump
    // Indexed by the slot of the listener's handle.
    private var acceptors: [MessageAcceptor] = []
    private var datagrams: [NetworkDatagrams] = []
    private var timer: LoopTimer?
    private var isDraining = false
    // Of one thread, and not used from within a use: no run-time check.
    @exclusivity(unchecked) private var long = LongTurns()

    init(_ context: ServingContext, _ sockets: ServedSockets) throws {
        let loop = try EventLoop(polling: context.polling)
        let waker = loop.waker
        pump = MessagePump(loop)
        super.init(
            loop,
            WorkerCore(context, WorkerInbox(of: "async-select") { waker.wake() })
        )
        timer = try LoopTimer(on: loop) { [unowned self] in keepHouse() }
        loop.onWake = { [unowned self] in takeOrders() }
        for socket in sockets.listeners {
            let handle = SocketHandle(slot: UInt32(acceptors.count), generation: 0)
            acceptors.append(
                try MessageAcceptor(
                    socket,
                    handle,
                    context,
                    pump,
                    watchesAddresses: socket.number == sockets.onAllAddresses
                ) { [unowned self] in
                    begin($0)
                } resumed: { [unowned self] in
                    // A shutdown may still wait for a queue to be found empty.
                    keepHouse()
                }
            )
        }
        for endpoint in sockets.datagrams {
            let handle = SocketHandle(datagrams: datagrams.count)
            let member = try NetworkDatagrams(endpoint, loop, as: handle, context)
            let isWatching = endpoint.number == sockets.onAllAddresses
            let events: NetworkEvents = isWatching ? [.read, .addressListChange] : .read
            try member.socket.select(events, postingTo: pump.queue)
            if isWatching { member.watchAddresses() }
            datagrams.append(member)
        }
    }

    func run() {
        takeOrders()
        let (clients, state) = (core.connections, core.state)
        while let message = pump.next() {
            procedure(message, clients, state)
            while unsafe !long.isEmpty, pump.queue.isEmpty { serveLong(clients, state) }
        }
        loop.closing.closeAll()
        core.retire()
    }

    /// What `WndProc` is to a window.
    private func procedure(
        _ message: NetworkMessage,
        _ clients: HandleTable<NetworkConnection>,
        _ state: WorkerState
    ) {
        state.refreshTime()
        switch message.event {
        case .read:
            with(message.socket, in: clients) { client in
                if client.isBulk {
                    unsafe long.append(client.place)
                } else {
                    client.readable(state)
                }
            }
        case .write: with(message.socket, in: clients) { $0.writable(state) }
        case .close: with(message.socket, in: clients) { $0.ended(state) }
        case .accept: acceptors[Int(message.socket.slot)].accept()
        case .addressListChange:
            core.context.log.addressesChanged()
            if let index = message.socket.datagramIndex {
                datagrams[index].watchAddresses()
            } else {
                acceptors[Int(message.socket.slot)].watchAddresses()
            }
        default: break
        }
        if isDraining { keepHouse() }
    }

    // What becomes ready meanwhile posts its messages.
    @inline(never)
    private func serveLong(_ clients: HandleTable<NetworkConnection>, _ state: WorkerState) {
        unsafe long.take { client in with(client, in: clients) { $0.readable(state) } }
        loop.turn(waitingAtMost: .zero)
        state.refreshTime()
    }

    // Does nothing for a client that has left: the message comes too late.
    private func with(
        _ client: SocketHandle,
        in clients: HandleTable<NetworkConnection>,
        _ handle: (NetworkConnection) -> Void
    ) {
        let known: Void? = clients.with(client) { client in
            handle(client)
            if client.isClosed { leave(client) }
        }
        if known == nil, let index = client.datagramIndex { datagrams[index].readable() }
    }

    private func begin(_ accepted: consuming AcceptedSocket) {
        begin(Arrival(accepted)) { (client) throws(SystemError) in
            try client.select([.read, .write, .close], postingTo: pump.queue)
        }
        keepHouse()
    }

    override func leave(_ client: NetworkConnection) {
        super.leave(client)
        core.settle()
    }

    // Messages from other threads, the order to drain, or the end of a connection, which may end a
    // pause.
    private func takeOrders() {
        _ = core.takeMessages()
        if core.isDraining, !isDraining {
            isDraining = true
            for acceptor in acceptors { acceptor.drain() }
            for member in datagrams { member.end() }
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
