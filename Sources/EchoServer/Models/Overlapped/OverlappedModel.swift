import EchoProactor
import EchoSockets
import EchoWinsock
import Glibc

/// The overlapped model with event notification (`WSARecv`, `WSAGetOverlappedResult`).
///
/// For each connection:
///
///     event[i] = WSACreateEvent()
///     WSARecv(socket[i], &overlapped[i])         the completion signals event[i]
///
/// and in the thread of each group of up to 64:
///
///     first = WSAWaitForMultipleEvents(events)   any of them, the lowest first
///     for each i from first on that is signalled (ES-9):
///         WSAResetEvent(event[i])
///         WSAGetOverlappedResult(overlapped[i])  bytes, the end, or an error (OV-3, SB-11)
///         WSASend(socket[i])                     what was received
///         WSARecv(socket[i], &overlapped[i])     again
///
/// New connections come as a routine for the alertable wait, so that nothing is polled.
typealias OverlappedModel = GroupModel<OverlappedWorker>

/// The thread of one group: an array of connections and the set of their events, side by side, and
/// a wait for any of them.
final class OverlappedWorker: GroupWorker {
    static let name = "overlapped"
    static let capacity = EventSet.capacity

    private let loop: OverlappedLoop
    private let core: WorkerCore<OverlappedConnection>
    private let events = EventSet()
    /// By the index of their event.
    private var connections = [OverlappedConnection?](repeating: nil, count: EventSet.capacity)
    private var datagrams = [OverlappedDatagrams?](repeating: nil, count: EventSet.capacity)
    private var hasDatagrams = false

    var inbox: WorkerInbox { core.inbox }

    init(_ context: ServingContext, ended: @escaping @Sendable (Int) -> Void) throws {
        let loop = try OverlappedLoop(
            receiveBufferSize: context.operationBufferSize,
            polling: context.polling
        )
        self.loop = loop
        core = WorkerCore(
            context,
            WorkerInbox(of: "overlapped") { loop.queue {} },
            ended: ended
        )
    }

    func run() {
        takeMessages()
        while !core.isDone {
            if case .signalled(let first) = wait() { sweep(from: first) }
            // Events come before routines (CR-4): busy connections would keep new ones waiting.
            if core.hasMessages { takeMessages() }
            core.housekeep()
        }
        loop.closing.closeAll()
        core.retire()
    }

    // Waiting for no event at all is an error at once (ES-8): an empty group only sleeps.
    private func wait() -> WaitResult {
        events.isEmpty
            ? loop.sleep(for: core.wait, alertable: true)
            : loop.wait(for: events, timeout: core.wait, alertable: true)
    }

    private func takeMessages() {
        for arrival in core.takeMessages() { begin(arrival) }
        core.takeDatagrams { (endpoint) throws(SystemError) in try begin(endpoint) }
    }

    private func begin(_ endpoint: DatagramEndpoint) throws(SystemError) -> OverlappedDatagrams {
        guard let event = events.makeEvent() else {
            throw SystemError(call: "WSACreateEvent", errno: Errno(rawValue: EMFILE))
        }
        do throws(SystemError) {
            let member = try OverlappedDatagrams(endpoint, loop, core.context, .event(event))
            datagrams[event.index] = member
            hasDatagrams = true
            return member
        } catch {
            event.close()
            throw error
        }
    }

    private func begin(_ arrival: Arrival) {
        guard let event = events.makeEvent() else {
            return core.refuse(arrival, Errno(rawValue: EMFILE))
        }
        guard let socket = arrival.take() else { return event.close() }
        let connection = OverlappedConnection(arrival.peer, loop, core, .event(event))
        do throws(SystemError) {
            try connection.begin(socket)
            core.add(connection)
            connections[event.index] = connection
            connection.finishIfOver()
        } catch {
            event.close()
            connection.abandon()
            core.refuse(arrival, error.errno)
        }
    }

    // The next operation resets the event too, but there may be no next one.
    private func sweep(from first: Int) {
        let state = core.state
        state.refreshTime()
        var signalled: Int? = first
        while let index = signalled {
            events.reset(index)
            connections[index]?.completed(state)
            if connections[index]?.isOver == true { remove(index) }
            if hasDatagrams { datagramsCompleted(index) }
            signalled = events.firstSignalled(from: index + 1)
        }
    }

    // Apart, so that only datagrams pay for the access check.
    @inline(never)
    private func datagramsCompleted(_ index: Int) {
        datagrams[index]?.completed()
    }

    private func remove(_ index: Int) {
        connections[index]?.leave()
        connections[index] = nil
        events.event(at: index)?.close()
    }
}
