import EchoProactor
import EchoSockets
import Glibc

/// The completion-port model.
///
/// For each connection:
///
///     CreateIoCompletionPort(socket, port, key)  the connection goes with its packets (CP-8)
///     WSARecv(socket, &perIO)                    its completion becomes a packet
///
/// and each of a few workers:
///
///     GetQueuedCompletionStatus(port, &bytes, &key, &perIO)
///     if it failed, or no bytes came:            close (CP-4, PF-16)
///     if it was a receive:                       WSASend(socket, what was received)
///     if it was a send, or that is done:         WSARecv(socket, &perIO) again
///
/// and connections come from `AcceptEx`, an operation like the others.
///
/// The worker that waits looks for readiness itself and carries the transfer out, so nothing is
/// handed from thread to thread between a client's bytes and their echo; another worker is woken
/// only when there is a second packet for it. A failed operation is a packet like any other
/// (CP-4, PF-16), and a connection lives until its last packet has been taken (PF-17).
final class CompletionPortModel: ServingModel {
    private let service: PortService
    private let workers: Int
    private let pool = Locked<WorkerPool?>(nil)

    init(_ context: ServingContext, _ sockets: ServedSockets) throws {
        workers = context.configuration.workers ?? Processors.available
        service = try PortService(context, sockets, concurrency: workers)
    }

    func start() throws {
        service.begin()
        let started = try WorkerPool(name: PortRoll.loop, count: workers) { [service] number in
            CompletionPortWorker(service, service.roll.entries[number]).run()
        }
        pool.withLock { $0 = started }
    }

    func drain(_ plan: DrainPlan) {
        service.drain(plan)
    }

    func probe(_ heartbeat: Heartbeat) {
        service.probe(heartbeat)
    }

    func join() {
        pool.withLock { $0.take() }?.wait()
        service.roll.end()
    }
}

/// A worker: takes packets until the port is closed.
private struct CompletionPortWorker {
    private let service: PortService
    private let state: WorkerState
    private let roll: PortRoll.Entry

    init(_ service: PortService, _ roll: PortRoll.Entry) {
        self.service = service
        self.roll = roll
        state = WorkerState(service.context)
    }

    func run() {
        let worker = CompletionPort.Worker(of: service.port)
        var isLeft = false
        while true {
            let outcome = worker.dequeue(timeout: service.wait(afterLeaving: isLeft))
            roll.begin()
            switch outcome {
            case .success(let packet), .failure(let packet): handle(packet)
            case .timedOut: break
            case .abandoned:
                service.context.counters.retire(state.counters)
                return
            }
            isLeft = service.keepHouse(state)
            roll.finish()
        }
    }

    private func handle(_ packet: Packet) {
        state.refreshTime()
        let isConnections: Void? = packet.withOwner(PortConnection.self) { connection in
            if connection.completed(packet, service.port, state) { service.closed(connection) }
        }
        if isConnections == nil { service.handle(packet, state) }
    }
}
