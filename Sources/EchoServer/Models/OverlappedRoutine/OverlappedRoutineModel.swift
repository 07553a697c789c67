import EchoProactor
import EchoSockets

/// The overlapped model with completion routines: one thread accepts, and one serves all sockets
/// by the routines that run in its alertable wait (`WSARecv` with a completion routine, `SleepEx`).
///
/// A routine runs only on the thread that posted the operation, and only while that waits (CR-1).
/// Connections are handed over by a queued routine (`QueueUserAPC`), so that none is lost and
/// nothing is polled.
final class OverlappedRoutineModel: ServingModel {
    private let acceptor: AcceptorThread
    private let groups: WorkerGroups<OverlappedRoutineWorker>

    init(_ context: ServingContext, _ sockets: [ListeningSocket]) throws {
        acceptor = try AcceptorThread(context, sockets)
        groups = WorkerGroups(context, name: "routines")
    }

    func start() throws {
        try groups.prepare()
        do {
            try acceptor.start { [groups] accepted in
                groups.adopt(accepted)
            } ended: { [groups] in
                groups.close()
            }
        } catch {
            groups.close()
            throw error
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

/// The thread that posts all operations and runs all their routines.
private final class OverlappedRoutineWorker: GroupWorker {
    static let capacity = Int.max

    private let thread: AlertableThread
    private let core: WorkerCore<OverlappedConnection>

    var inbox: WorkerInbox { core.inbox }

    init(_ context: ServingContext, ended: @escaping @Sendable (Int) -> Void) throws {
        let thread = try AlertableThread(receiveBufferSize: context.operationBufferSize)
        self.thread = thread
        core = WorkerCore(
            context,
            WorkerInbox(of: "overlapped-routine") { thread.queueRoutine {} },
            ended: ended
        )
    }

    func run() {
        takeMessages()
        while !core.isDone {
            // Everything happens in here.
            _ = thread.sleep(for: core.wait, alertable: true)
            if core.hasMessages { takeMessages() }
            core.housekeep()
        }
        thread.closing.closeAll()
        core.retire()
    }

    private func takeMessages() {
        for arrival in core.takeMessages() { begin(arrival) }
    }

    private func begin(_ arrival: Arrival) {
        guard let socket = arrival.take() else { return }
        let connection = OverlappedConnection(arrival.peer, thread, core)
        connection.operation.routine = operationCompleted
        do throws(SystemError) {
            try connection.begin(socket)
            core.add(connection)
        } catch {
            core.refuse(arrival)
        }
    }
}

/// The completion routine of every operation.
///
/// The operation says whose it is, and its result how it ended.
private func operationCompleted(_: Errno?, _: Int, _ operation: EchoProactor.Operation) {
    OverlappedConnection.owner(of: operation)?.completed(operation)
}
