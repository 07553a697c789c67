import EchoSockets

/// A model in which one thread accepts connections and hands them to workers that serve many.
final class GroupModel<Worker: GroupWorker>: ServingModel {
    private let acceptor: AcceptorThread
    private let groups: WorkerGroups<Worker>
    private let datagrams: [DatagramEndpoint]

    init(_ context: ServingContext, _ sockets: ServedSockets) throws {
        acceptor = try AcceptorThread(context, sockets)
        datagrams = sockets.datagrams
        groups = WorkerGroups(context)
    }

    func start() throws {
        try groups.begin(datagrams)
        try acceptor.start(canServe: Worker.canServe) { [groups] accepted in
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
