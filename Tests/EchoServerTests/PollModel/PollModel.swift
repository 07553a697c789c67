// The textbook's outline of a server around poll(2):
//
//     for (;;) {
//         poll(set, count, timeout);
//         for (each entry with revents)
//             POLLIN:  count = recv(socket, buffer); send(socket, buffer, count);
//             POLLOUT: send(socket, what is left);
//     }

import EchoSockets
import EchoWinsock
import Glibc

@testable import EchoServer

/// The poll model: one thread accepts, and one asks `poll(2)` which of its sockets are ready.
typealias PollModel = GroupModel<PollWorker>

/// The thread that serves all connections.
final class PollWorker: GroupWorker {
    static let name = "poll"
    static let capacity = Int.max

    private let wakeup: Wakeup
    private let core: WorkerCore<PollConnection>
    private var datagrams: [DatagramService] = []

    var inbox: WorkerInbox { core.inbox }

    init(_ context: ServingContext, ended: @escaping @Sendable (Int) -> Void) throws {
        let wakeup = try Wakeup()
        self.wakeup = wakeup
        core = WorkerCore(context, WorkerInbox(of: "poll") { wakeup.signal() }, ended: ended)
    }

    func run() {
        while !core.isDone { turn() }
        core.retire()
    }

    private func turn() {
        var set = [pollfd(fd: wakeup.number, events: Int16(POLLIN), revents: 0)]
        var members = [SocketHandle.none]
        core.connections.visit { client in
            set.append(pollfd(fd: client.number, events: client.events, revents: 0))
            members.append(client.place)
        }
        for (index, service) in datagrams.enumerated() {
            set.append(pollfd(fd: service.number, events: Int16(POLLIN), revents: 0))
            members.append(SocketHandle(datagrams: index))
        }
        _ = unsafe poll(&set, nfds_t(set.count), core.wait?.millisecondsRoundedUp ?? -1)
        core.state.refreshTime()
        for (entry, member) in zip(set, members).dropFirst() where entry.revents != 0 {
            core.connections.with(member) { $0.ready(CInt(entry.revents), core.state) }
            if let index = member.datagramIndex { datagrams[index].readable() }
        }
        if set[0].revents != 0 { takeMessages() }
        core.housekeep()
    }

    private func takeMessages() {
        wakeup.clear()
        for arrival in core.takeMessages() {
            if let socket = arrival.take() { core.add(PollConnection(arrival.peer, socket, core)) }
        }
        core.takeDatagrams { (endpoint) throws(SystemError) in
            let service = try DatagramService(endpoint, core.context)
            datagrams.append(service)
            return service
        }
    }
}

/// A socket in the set.
private final class PollConnection: SocketConnection {
    private unowned let core: WorkerCore<PollConnection>

    init(_ peer: Peer, _ socket: consuming Socket, _ core: WorkerCore<PollConnection>) {
        self.core = core
        super.init(peer, socket, at: core.state.now)
    }

    var events: Int16 { Int16(demand.pollEvents) }
    // Without demands it has no place in the set: poll(2) would report an error all the time.
    var number: CInt { events == 0 ? -1 : withSocket { $0.number } ?? -1 }

    func ready(_ events: CInt, _ worker: WorkerState) {
        var wanted = demand
        if events & ~POLLOUT != 0, wanted.contains(.receive) { wanted = readable(worker) }
        if events & ~POLLIN != 0, wanted.contains(.send) { wanted = writable(worker) }
        // Last: a connection that closes leaves its worker, which alone keeps it alive.
        apply(wanted)
    }

    override func apply(_ wanted: EchoState.Demand) {
        demand = wanted.subtracting(.shutdownSend)
        if wanted.contains(.shutdownSend) {
            withSocket { $0.shutdown(.sending) }
            core.consider(self)
        }
        guard wanted.contains(.close) else { return }
        closeSocket()
        core.remove(self)
    }
}
