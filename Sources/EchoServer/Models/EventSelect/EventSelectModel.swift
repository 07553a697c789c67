import EchoReactor
import EchoSockets
import EchoWinsock

/// The event-select model (`WSAEventSelect`): every socket has an event object that its network
/// events signal; groups of up to 64 are waited on together, by a worker each.
///
/// As in Winsock, a wait takes at most 64 events (ES-8) and names the lowest that is signalled, so
/// the worker looks at all the others before it waits again (ES-9, PF-15). An empty group waits
/// without spinning (PF-14), and a connection that one event has closed is not closed again by the
/// next (SB-8).
final class EventSelectModel: ServingModel {
    private let acceptor: AcceptorThread
    private let groups: WorkerGroups<EventSelectWorker>

    init(_ context: ServingContext, _ sockets: [ListeningSocket]) throws {
        acceptor = try AcceptorThread(context, sockets)
        groups = try WorkerGroups(context, name: "event-select")
    }

    func start() throws {
        try acceptor.start { [groups] accepted in
            groups.adopt(accepted)
        } ended: { [groups] in
            groups.close()
        }
    }

    func drain(_ plan: DrainPlan) {
        acceptor.drain(plan)
        groups.drain(plan)
    }

    func probe(_ heartbeat: Heartbeat) {
        acceptor.probe(heartbeat)
        groups.probe(heartbeat)
    }

    func join() {
        groups.join()
        acceptor.join()
    }
}

/// The thread of one group: an array of sockets and an array of their events, side by side, and a
/// wait for any of them.
private final class EventSelectWorker: GroupWorker {
    static let capacity = EventLoop.maximumWaitEvents

    private let loop: EventLoop
    private let core: WorkerCore<NetworkConnection>
    private var connections: [NetworkConnection] = []
    private var events: [LoopEvent] = []

    var inbox: WorkerInbox { core.inbox }

    init(_ context: ServingContext, ended: @escaping @Sendable (Int) -> Void) throws {
        loop = try EventLoop()
        let waker = loop.waker
        core = WorkerCore(context, WorkerInbox(of: "event-select") { waker.wake() }, ended: ended)
    }

    func run() {
        loop.onWake = { [unowned self] in
            for arrival in core.takeMessages() { begin(arrival) }
        }
        while !core.isDone {
            switch try? wait() {
            case .signalled(let first): sweep(from: first)
            case .alerted, .timedOut, nil: break
            }
            core.housekeep()
        }
        loop.closing.closeAll()
        core.retire()
    }

    // Waiting for no event at all is an error at once, in Winsock as here: the textbook's loop
    // spins on it (ES-8).
    private func wait() throws(ReactorError) -> WaitOutcome {
        guard !events.isEmpty else {
            loop.turn(waitingAtMost: core.wait)
            return .alerted
        }
        return try loop.wait(for: events, timeout: core.wait, alertable: true)
    }

    private func begin(_ arrival: Arrival) {
        guard let accepted = arrival.take() else { return }
        var opened: NetworkSocket?
        do throws(ReactorError) {
            let socket = try NetworkSocket(loop, adopting: accepted)
            opened = socket
            let event = LoopEvent()
            try socket.select([.read, .write, .close], signalling: event)
            let connection = NetworkConnection(arrival.peer, socket, core.state) {
                [unowned self] ended in remove(ended)
            }
            connections.append(connection)
            events.append(event)
            core.add(connection)
        } catch {
            opened?.reset()
            core.refuse(arrival, error.errno)
        }
    }

    // A connection that closes leaves its place to the last one, which is looked at in its turn.
    private func sweep(from first: Int) {
        var index = first
        while index < events.count {
            guard events[index].isSignalled else {
                index += 1
                continue
            }
            let connection = connections[index]
            handle(connection, events[index])
            if index < connections.count, connections[index] === connection { index += 1 }
        }
    }

    private func handle(_ connection: NetworkConnection, _ event: LoopEvent) {
        guard let record = try? connection.socket.enumerateNetworkEvents(resetting: event) else {
            return event.reset()
        }
        if record.events.contains(.read) { connection.apply(connection.readable()) }
        if record.events.contains(.write) { connection.apply(connection.writable()) }
        if record.events.contains(.close) { connection.apply(connection.ended()) }
    }

    private func remove(_ connection: NetworkConnection) {
        if let index = connections.firstIndex(where: { $0 === connection }) {
            connections.swapAt(index, connections.count - 1)
            events.swapAt(index, events.count - 1)
            connections.removeLast()
            events.removeLast().close()
        }
        core.remove(connection)
    }
}
