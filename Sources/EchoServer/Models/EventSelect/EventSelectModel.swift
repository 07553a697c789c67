// The textbook's outline of WSAEventSelect:
//
//     for each client: events[n] = WSACreateEvent(); clients[n] = client;
//                      WSAEventSelect(client, events[n], FD_READ | FD_WRITE | FD_CLOSE);
//     index = WSAWaitForMultipleEvents(n, events, FALSE, WSA_INFINITE, TRUE);
//     for i = index ... n - 1, if events[i] is signalled:
//         WSAEnumNetworkEvents(clients[i], events[i], &record);
//         if record has FD_READ: recv, send what was received
//         if record has FD_WRITE: send the rest
//         if record has FD_CLOSE: recv the rest, closesocket(clients[i]), WSACloseEvent(events[i])

import EchoReactor
import EchoSockets
import EchoWinsock
import Glibc

/// The event-select model (`WSAEventSelect`): every socket has an event object that its network
/// events signal; a worker waits on each group of up to 64.
///
/// As in Winsock, a wait takes at most 64 events (ES-8) and names the lowest that is signalled, so
/// the worker checks all the others before it waits again (ES-9, PF-15). An empty group waits
/// without spinning (PF-14), and a connection that one event has closed is not closed again by the
/// next (SB-8).
typealias EventSelectModel = GroupModel<EventSelectWorker>

/// The thread of one group: parallel arrays of connections and events, and a wait for any of them.
final class EventSelectWorker: NetworkWorker, GroupWorker {
    static let name = "event-select"
    static let capacity = EventSet.capacity

    private let events = EventSet()
    // Indexed by the event's index.
    private var clients = [SocketHandle](repeating: .none, count: capacity)
    // Where to look for the next of those whose turns are long.
    private var nextLong = 0
    private var datagrams = [NetworkDatagrams?](repeating: nil, count: capacity)

    var inbox: WorkerInbox { core.inbox }

    init(_ context: ServingContext, ended: @escaping @Sendable (Int) -> Void) throws {
        let loop = try EventLoop(polling: context.polling)
        let waker = loop.waker
        let inbox = WorkerInbox(of: "event-select") { waker.wake() }
        super.init(loop, WorkerCore(context, inbox, ended: ended))
    }

    func run() {
        loop.onWake = { [unowned self] in
            for arrival in core.takeMessages() { begin(arrival) }
            core.takeDatagrams { (endpoint) throws(SystemError) in try begin(endpoint) }
        }
        while !core.isDone {
            switch loop.wait(for: events, timeout: core.wait, alertable: true) {
            case .signalled(let first): sweep(from: first)
            case .routinesRan, .timedOut: break
            // Fails at once, in Winsock as here: the textbook's loop spins on it (ES-8).
            case .noEvents: loop.turn(waitingAtMost: core.wait)
            }
            core.housekeep()
        }
        loop.closing.closeAll()
        core.retire()
    }

    private func begin(_ arrival: Arrival) {
        guard let event = events.makeEvent() else {
            return core.refuse(arrival, Errno(rawValue: EMFILE))
        }
        let isServed = begin(arrival) { (socket) throws(SystemError) in
            clients[event.index] = socket.handle
            try socket.select([.read, .write, .close], signalling: event)
        }
        if !isServed { event.close() }
    }

    private func begin(_ endpoint: DatagramEndpoint) throws(SystemError) -> NetworkDatagrams {
        guard let event = events.makeEvent() else {
            throw SystemError(call: "WSACreateEvent", errno: Errno(rawValue: EMFILE))
        }
        do throws(SystemError) {
            let member = try NetworkDatagrams(endpoint, loop, core.context)
            try member.socket.select(.read, signalling: event)
            datagrams[event.index] = member
            return member
        } catch {
            event.close()
            throw error
        }
    }

    // The wait reports only the lowest one.
    private func sweep(from first: Int) {
        let (connections, state) = (core.connections, core.state)
        state.refreshTime()
        var (next, hasLong) = (first as Int?, false)
        while let index = next {
            let known: Void? = connections.with(clients[index]) { client in
                if client.isBulk { hasLong = true } else { serve(client, index, state) }
            }
            if known == nil { serveDatagrams(index) }
            next = events.firstSignalled(from: index + 1)
        }
        if hasLong { serveLong(connections, state) }
    }

    // In turn, and a few only: then the loop asks who has become ready meanwhile (PR-5).
    @inline(never)
    private func serveLong(_ connections: HandleTable<NetworkConnection>, _ state: WorkerState) {
        for _ in 0..<LongTurns.perLook {
            guard let index = events.firstSignalled(from: nextLong) ?? events.firstSignalled()
            else { return }
            nextLong = index + 1
            connections.with(clients[index]) { serve($0, index, state) }
        }
        loop.turn(waitingAtMost: .zero)
    }

    private func serve(_ client: NetworkConnection, _ index: Int, _ state: WorkerState) {
        let record = try? client.socket.enumerateNetworkEvents(resetting: events[index])
        guard let happened = record?.events else { return events.reset(index) }
        if happened.contains(.read) { client.readable(state) }
        if happened.contains(.write) { client.writable(state) }
        if happened.contains(.close) { client.ended(state) }
        if client.isClosed { leave(client) }
    }

    // Apart, so that only datagrams pay for the access check.
    @inline(never)
    private func serveDatagrams(_ index: Int) {
        guard let member = datagrams[index] else { return events.reset(index) }
        let record = try? member.socket.enumerateNetworkEvents(resetting: events[index])
        guard let happened = record?.events else { return events.reset(index) }
        if happened.contains(.read) { member.readable() }
    }

    override func leave(_ client: NetworkConnection) {
        if let index = clients.firstIndex(of: client.place) {
            clients[index] = .none
            events.close(index)
        }
        super.leave(client)
    }
}
