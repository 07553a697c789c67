import EchoProactor
import EchoSockets

/// The overlapped model with event notification (`WSARecv`, `WSAGetOverlappedResult`): every
/// socket has an operation posted ahead, whose completion sets the operation's event; groups of up
/// to 64 events are waited on together, by a worker each.
///
/// While a send is under way a second operation of the same event receives on.
///
/// The result of an operation says whether it succeeded (OV-3, SB-11): the number of bytes alone
/// does not. A wait names the lowest event that is signalled, so the worker looks at all the others
/// before it waits again (ES-9). New connections come as routines for the alertable wait, so that
/// nothing is polled.
final class OverlappedModel: ServingModel {
    private let acceptor: AcceptorThread
    private let groups: WorkerGroups<OverlappedWorker>

    init(_ context: ServingContext, _ sockets: [ListeningSocket]) throws {
        acceptor = try AcceptorThread(context, sockets)
        groups = WorkerGroups(context, name: "overlapped")
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

/// The thread of one group: an array of connections and an array of their events, side by side,
/// and a wait for any of them.
private final class OverlappedWorker: GroupWorker {
    static let capacity = 64

    private let thread: AlertableThread
    private let core: WorkerCore<OverlappedConnection>
    private var connections: [OverlappedConnection] = []
    private var events: [OverlappedEvent] = []

    var inbox: WorkerInbox { core.inbox }

    init(_ context: ServingContext, ended: @escaping @Sendable (Int) -> Void) throws {
        let thread = try AlertableThread(receiveBufferSize: context.operationBufferSize)
        self.thread = thread
        core = WorkerCore(
            context,
            WorkerInbox(of: "overlapped") { thread.queueRoutine {} },
            ended: ended
        )
    }

    func run() {
        takeMessages()
        while !core.isDone {
            switch wait() {
            case .signalled(let first): sweep(from: first)
            case .routinesRan, .timedOut, .invalidParameter, .invalidHandle: break
            }
            // Events come before routines (CR-4): busy connections would keep new ones waiting.
            if core.hasMessages { takeMessages() }
            core.housekeep()
        }
        thread.closing.closeAll()
        core.retire()
    }

    // Waiting for no event at all is an error at once (ES-8): an empty group only sleeps.
    private func wait() -> EventWaitOutcome {
        events.isEmpty
            ? thread.sleep(for: core.wait, alertable: true)
            : thread.wait(for: events, timeout: core.wait, alertable: true)
    }

    private func takeMessages() {
        for arrival in core.takeMessages() { begin(arrival) }
    }

    private func begin(_ arrival: Arrival) {
        guard let socket = arrival.take() else { return }
        let connection = OverlappedConnection(arrival.peer, thread, core)
        let event = thread.makeEvent()
        connection.operation.event = event
        do throws(SystemError) {
            try connection.begin(socket)
        } catch {
            thread.close(event)
            return core.refuse(arrival)
        }
        core.add(connection)
        connections.append(connection)
        events.append(event)
    }

    // A connection that is over leaves its place to the last one, which is looked at in its turn.
    private func sweep(from first: Int) {
        var index = first
        while index < events.count {
            if thread.isSignalled(events[index]) {
                // The next operation resets it too, but there may be no next one.
                thread.reset(events[index])
                connections[index].completed()
                if connections[index].isOver {
                    remove(index)
                    continue
                }
            }
            index += 1
        }
    }

    private func remove(_ index: Int) {
        connections.swapAt(index, connections.count - 1)
        events.swapAt(index, events.count - 1)
        connections.removeLast()
        thread.close(events.removeLast())
    }
}
