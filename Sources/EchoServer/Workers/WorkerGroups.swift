import EchoSockets
import Glibc
import Synchronization

/// A worker that serves a limited number of connections, the most that its waits take.
protocol GroupWorker: AnyObject, SendableMetatype {
    /// Makes a worker, on the thread that will run it.
    ///
    /// - Parameters:
    ///   - context: what all workers share.
    ///   - ended: receives the number of connections that have ended; any thread may call it.
    /// - Throws: `SystemError`.
    init(_ context: ServingContext, ended: @escaping @Sendable (Int) -> Void) throws
    /// The name of its thread, as debuggers show it.
    static var name: String { get }
    /// The most connections of one worker, for example as many as one wait takes.
    static var capacity: Int { get }
    /// Whether it can serve a socket with that descriptor.
    static func canServe(_ descriptor: CInt) -> Bool
    /// Where it gets its connections.
    var inbox: WorkerInbox { get }
    /// Serves until the inbox is closed and no connection is left.
    func run()
}

extension GroupWorker {
    static func canServe(_ descriptor: CInt) -> Bool { true }
}

/// Workers with a limited number of connections each: a new one starts when all others are full,
/// and ends when it has no connection left, except for the last.
///
/// Any thread.
final class WorkerGroups<Worker: GroupWorker>: Sendable {
    // Grows under the lock and shrinks without it: a connection that leaves must not wait for
    // others.
    private final class Occupancy: Sendable {
        let count = Atomic(0)
    }

    private struct Group {
        let occupancy: Occupancy
        let inbox: WorkerInbox
    }

    private struct State {
        var groups: [Group] = []
        var plan: DrainPlan?
    }

    private let state = Locked(State())
    private let threads = ThreadGroup()
    private let context: ServingContext

    /// No workers yet.
    init(_ context: ServingContext) {
        self.context = context
    }

    /// Makes the first worker, before there is a connection, and as many as the datagram sockets
    /// need.
    ///
    /// - Throws: the reason why one cannot be made; the groups are then closed.
    func begin(_ datagrams: [DatagramEndpoint]) throws {
        do {
            _ = try state.withLock { try place(&$0) }
            for endpoint in datagrams {
                guard Worker.canServe(endpoint.number) else {
                    throw SystemError(call: "select", errno: Errno(rawValue: EMFILE))
                }
                try state.withLock { state in
                    let group = state.groups[try place(&state)]
                    group.occupancy.count.add(1, ordering: .relaxed)
                    group.inbox.serve(endpoint)
                }
            }
        } catch {
            close()
            throw error
        }
    }

    /// Hands a connection to the first worker with a free place.
    ///
    /// - Returns: the connection, if no further worker can be started.
    func adopt(_ accepted: consuming AcceptedSocket) -> HandOver {
        let arrival = HandedOver(Arrival(accepted))
        do {
            try state.withLock { state in
                let index = try place(&state)
                let group = state.groups[index]
                group.occupancy.count.add(1, ordering: .relaxed)
                group.inbox.adopt(arrival.value)
            }
            return .served
        } catch {
            guard let accepted = arrival.value.giveBack() else { return .served }
            let errno = (error as? SystemError)?.errno
            return .lacking(errno ?? Errno(rawValue: EAGAIN), accepted)
        }
    }

    private func place(_ state: inout State) throws -> Int {
        let free = state.groups.firstIndex { group in
            group.occupancy.count.load(ordering: .relaxed) < Worker.capacity
        }
        if let free { return free }
        let occupancy = Occupancy()
        let inbox = try threads.start(name: Worker.name) { [context, weak self] in
            let worker = try Worker(context) { self?.release($0, of: occupancy) }
            return (worker.inbox, worker.run)
        }
        if let plan = state.plan { inbox.drain(plan) }
        state.groups.append(Group(occupancy: occupancy, inbox: inbox))
        return state.groups.count - 1
    }

    private func release(_ count: Int, of occupancy: Occupancy) {
        let rest = occupancy.count.subtract(count, ordering: .relaxed).newValue
        guard rest == 0 else { return }
        state.withLock { state in
            // A connection may have arrived meanwhile.
            guard occupancy.count.load(ordering: .relaxed) == 0, state.groups.count > 1,
                let index = state.groups.firstIndex(where: { $0.occupancy === occupancy })
            else { return }
            state.groups.remove(at: index).inbox.close()
        }
    }

    /// Informs all workers, present and future.
    func drain(_ plan: DrainPlan) {
        state.withLock { state in
            state.plan = plan
            for group in state.groups { group.inbox.drain(plan) }
        }
    }

    /// Makes all workers answer a heartbeat.
    func probe(_ heartbeat: Heartbeat) {
        state.withLock { state in
            for group in state.groups { group.inbox.probe(heartbeat) }
        }
    }

    /// Notes that no further connection will come.
    func close() {
        state.withLock { state in
            for group in state.groups { group.inbox.close() }
        }
        threads.close()
    }

    /// Waits until all workers have ended.
    func join() {
        threads.join()
    }
}
