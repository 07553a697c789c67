// The textbook's outline of select:
//
//     FD_ZERO(&readable); FD_ZERO(&writable);
//     for each client: FD_SET(client, &readable); if something is owed, FD_SET(client, &writable);
//     select(0, &readable, &writable, NULL, &timeout);
//     for each client:
//         if FD_ISSET(client, &readable): recv, send what was received
//         if FD_ISSET(client, &writable): send the rest
//         if it has ended: FD_CLR(client, ...), closesocket(client)
//
// Here the set is kept between calls, and returns the members that are ready.

import EchoReactor
import EchoSockets
import EchoWinsock

/// The select model: one thread accepts, and one worker calls `select(2)`, through libevent's
/// `select` method, to find the sockets that are ready.
///
/// As in the textbook, connections are accepted conditionally: an `fd_set` holds descriptors below
/// `FD_SETSIZE`, and a socket beyond that is reset before libevent sees it (PF-1). Unlike in the
/// textbook, an empty set waits without spinning (SEL-2), the sockets are not in an array that two
/// threads change (SB-6), and nothing is written past a buffer (SB-2, SB-3).
typealias SelectModel = GroupModel<SelectWorker>

/// The thread that serves all connections.
final class SelectWorker: GroupWorker {
    static let name = "select"
    static let capacity = Int.max
    // Descriptors that fit into an `fd_set`, select(2).
    private static let descriptorLimit: CInt = 1024

    fileprivate let core: WorkerCore<SelectConnection>
    fileprivate let set: SelectSet
    private let loop: EventLoop
    // Of one thread, and not used from within a use: no run-time check.
    @exclusivity(unchecked) private var long = LongTurns()
    private var datagrams: [DatagramService] = []

    var inbox: WorkerInbox { core.inbox }

    static func canServe(_ descriptor: CInt) -> Bool { descriptor < descriptorLimit }

    init(_ context: ServingContext, ended: @escaping @Sendable (Int) -> Void) throws {
        loop = try EventLoop(method: .select, polling: context.polling)
        set = SelectSet(loop)
        let waker = loop.waker
        core = WorkerCore(context, WorkerInbox(of: "select") { waker.wake() }, ended: ended)
    }

    func run() {
        loop.onWake = { [unowned self] in
            for arrival in core.takeMessages() { begin(arrival) }
            core.takeDatagrams { (endpoint) throws(SystemError) in try begin(endpoint) }
        }
        while !core.isDone {
            // Fails only if a member was closed (SEL-3), and each leaves the set before that.
            _ = try? loop.select(set, timeout: unsafe long.isEmpty ? core.wait : .zero)
            core.state.refreshTime()
            while let ready = set.nextReady() {
                if let index = ready.handle.datagramIndex {
                    serveDatagrams(index)
                } else {
                    core.connections.with(ready.handle) { serve($0, ready) }
                }
            }
            if unsafe !long.isEmpty { serveLong() }
            core.housekeep()
        }
        core.retire()
    }

    private func begin(_ arrival: Arrival) {
        guard let socket = arrival.take() else { return }
        let connection = SelectConnection(arrival.peer, socket, self)
        core.add(connection)
        connection.joinSet()
    }

    private func begin(_ endpoint: DatagramEndpoint) throws(SystemError) -> DatagramService {
        let service = try DatagramService(endpoint, core.context) { [set] number in
            set.remove(datagramsFrom: number)
        }
        try set.insert(
            datagramsFrom: service.number,
            as: SocketHandle(datagrams: datagrams.count)
        )
        datagrams.append(service)
        return service
    }

    // Apart, so that only datagrams pay for the access check.
    @inline(never)
    private func serveDatagrams(_ index: Int) {
        datagrams[index].readable()
    }

    private func serve(_ connection: SelectConnection, _ ready: SelectSet.Ready) {
        var wanted = connection.demand
        if ready.isReadable, wanted.contains(.receive) {
            if connection.isBulk {
                lineUp(connection)
            } else {
                wanted = connection.readable(core.state)
            }
        }
        if ready.isWritable, wanted.contains(.send) { wanted = connection.writable(core.state) }
        if wanted != connection.demand { connection.apply(wanted) }
    }

    @inline(never)
    private func lineUp(_ connection: SelectConnection) {
        if !connection.isInLine { unsafe long.append(connection.place) }
        connection.isInLine = true
    }

    // A call costs the more, the more members there are.
    @inline(never)
    private func serveLong() {
        unsafe long.take(atMost: LongTurns.perLook + core.connections.count / 32) { handle in
            core.connections.with(handle) { connection in
                connection.isInLine = false
                guard connection.demand.contains(.receive) else { return }
                let wanted = connection.readable(core.state)
                if wanted != connection.demand { connection.apply(wanted) }
            }
        }
    }
}

/// A socket in the worker's set.
private final class SelectConnection: SocketConnection {
    // They keep each other alive while the connection is open.
    private let worker: SelectWorker
    /// Whether it waits for a long turn.
    var isInLine = false

    init(_ peer: Peer, _ socket: consuming Socket, _ worker: SelectWorker) {
        self.worker = worker
        super.init(peer, socket, at: .coarse)
    }

    /// Makes the set wait for what is demanded.
    func joinSet() {
        do throws(SystemError) {
            try withSocket { (socket) throws(SystemError) in
                try worker.set.insert(
                    socket,
                    as: place,
                    reading: demand.contains(.receive),
                    writing: demand.contains(.send)
                )
            }
        } catch {
            apply(handle(.failed(error.errno), worker.core.state))
        }
    }

    override func apply(_ wanted: EchoState.Demand) {
        let before = demand
        demand = wanted.subtracting(.shutdownSend)
        if wanted.contains(.close) { return close() }
        if wanted.contains(.shutdownSend) {
            withSocket { $0.shutdown(.sending) }
            worker.core.consider(self)
        }
        if demand != before { joinSet() }
    }

    // Removed from the set before the descriptor is closed: its number may be reused at once
    // (PF-9).
    private func close() {
        withSocket { worker.set.remove($0) }
        closeSocket()
        worker.core.remove(self)
    }
}
