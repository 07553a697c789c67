import EchoProactor
import EchoSockets

/// The overlapped model with completion routines: one thread accepts, and one serves all sockets.
///
/// For each connection:
///
///     WSARecv(socket, &overlapped, routine)
///
/// and then the serving thread does nothing but wait:
///
///     SleepEx(INFINITE, TRUE)                runs the routines of what has completed (CR-1)
///
/// where the routine of a connection (CR-5) is
///
///     routine(error, count, overlapped):
///         after a receive:  WSASend(socket, what was received, routine)
///         after a send:     WSARecv(socket, &overlapped, routine)
///
/// Connections are handed over by a queued routine (`QueueUserAPC`), so that none is lost and
/// nothing is polled.
typealias OverlappedRoutineModel = GroupModel<OverlappedRoutineWorker>

/// The thread that posts all operations and runs all their routines.
final class OverlappedRoutineWorker: GroupWorker {
    static let name = "routines"
    static let capacity = Int.max

    private let loop: OverlappedLoop
    private let core: WorkerCore<OverlappedConnection>

    var inbox: WorkerInbox { core.inbox }

    init(_ context: ServingContext, ended: @escaping @Sendable (Int) -> Void) throws {
        let loop = try OverlappedLoop(
            receiveBufferSize: context.operationBufferSize,
            polling: context.polling
        )
        self.loop = loop
        core = WorkerCore(
            context,
            WorkerInbox(of: "overlapped-routine") { loop.queue {} },
            ended: ended
        )
    }

    func run() {
        takeMessages()
        while !core.isDone {
            // Everything happens in here.
            _ = loop.sleep(for: core.wait, alertable: true)
            if core.hasMessages { takeMessages() }
            core.housekeep()
        }
        loop.closing.closeAll()
        core.retire()
    }

    private func takeMessages() {
        for arrival in core.takeMessages() { begin(arrival) }
        core.takeDatagrams { [loop, core] (endpoint) throws(SystemError) in
            try OverlappedDatagrams(endpoint, loop, core.context, .routine(datagramRoutine))
        }
    }

    private func begin(_ arrival: Arrival) {
        guard let socket = arrival.take() else { return }
        let connection = OverlappedConnection(arrival.peer, loop, core, .routine(routine))
        do throws(SystemError) {
            try connection.begin(socket)
            core.add(connection)
            connection.finishIfOver()
        } catch {
            connection.abandon()
            core.refuse(arrival, error.errno)
        }
    }
}

/// The completion routine of every operation.
///
/// The operation says whose it is, and its result how it ended.
private func routine(_: Errno?, _: Int, _ operation: EchoProactor.Operation) {
    _ = operation.withOwner(OverlappedConnection.self) { $0.routineRan(operation) }
}

/// The completion routine of the receive of a datagram socket.
private func datagramRoutine(_: Errno?, _: Int, _ operation: EchoProactor.Operation) {
    _ = operation.withOwner(OverlappedDatagrams.self) { $0.completed() }
}
