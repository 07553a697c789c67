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
final class PollModel: ServingModel {
    private let acceptor: AcceptorThread
    private let inbox: WorkerInbox
    private let thread: WorkerThread

    init(_ context: ServingContext, _ sockets: [ListeningSocket]) throws {
        let wakeup = try Wakeup()
        let inbox = WorkerInbox(of: "poll") { wakeup.signal() }
        let worker = HandedOver(PollWorker(core: WorkerCore(context, inbox), wakeup: wakeup))
        acceptor = try AcceptorThread(context, sockets)
        thread = WorkerThread(name: "poll") { worker.value.run() }
        self.inbox = inbox
    }

    func start() throws {
        try thread.start()
        try acceptor.start { [inbox] accepted in
            inbox.adopt(Arrival(accepted))
            return .served
        } ended: { [inbox] in
            inbox.close()
        }
    }

    func drain(_ plan: DrainPlan) {
        acceptor.drain(plan)
        inbox.drain(plan)
    }

    func probe(_ heartbeat: Heartbeat) {
        acceptor.probe(heartbeat)
        inbox.probe(heartbeat)
    }

    func join() {
        acceptor.join()
        thread.join()
    }
}

/// The thread that serves all connections.
private struct PollWorker {
    let core: WorkerCore<PollConnection>
    let wakeup: Wakeup

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
        _ = unsafe poll(&set, nfds_t(set.count), core.wait?.millisecondsRoundedUp ?? -1)
        core.state.refreshTime()
        for (entry, member) in zip(set, members).dropFirst() where entry.revents != 0 {
            core.connections.with(member) { $0.ready(CInt(entry.revents), core.state) }
        }
        if set[0].revents != 0 { takeMessages() }
        core.housekeep()
    }

    private func takeMessages() {
        wakeup.clear()
        for arrival in core.takeMessages() {
            if let socket = arrival.take() { core.add(PollConnection(arrival.peer, socket, core)) }
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
        if events & POLLOUT != 0 { apply(writable(worker)) }
        if events & ~POLLOUT != 0, !demand.contains(.close) { apply(readable(worker)) }
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
