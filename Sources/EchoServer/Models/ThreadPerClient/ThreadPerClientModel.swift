// The textbook's outline of a thread for each client:
//
//     while ((client = accept(listener)) >= 0)
//         pthread_create(serve, client);
//
//     serve(client):
//         while ((count = recv(client, buffer)) > 0)
//             send(client, buffer, count);
//         close(client);
//
// and for datagrams, in a thread for each socket:
//
//     while ((count = recvfrom(socket, buffer, &client)) >= 0)
//         sendto(socket, buffer, count, client);

import EchoSockets

/// The baseline: one thread per connection, which blocks in `recv` and in `send`.
///
/// Simple, with two system calls per echo; but a thousand idle clients cost a thousand threads.
///
/// A signal that does nothing but end a system call informs a blocked thread of a shutdown. From
/// then on it waits with `poll(2)`, because draining depends on time.
final class ThreadPerClientModel: ServingModel {
    private let context: ServingContext
    private let acceptor: AcceptorThread
    private let clients = ClientThreads()
    private let datagrams: [DatagramEndpoint]

    init(_ context: ServingContext, _ sockets: ServedSockets) throws {
        self.context = context
        acceptor = try AcceptorThread(context, sockets)
        datagrams = sockets.datagrams
    }

    func start() throws {
        do {
            for endpoint in datagrams {
                try clients.start { [context] control in Self.serve(endpoint, context, control) }
            }
        } catch {
            clients.close()
            throw error
        }
        try acceptor.start(blocking: true) { [context, clients] accepted in
            Self.serve(accepted, context, clients)
        } ended: { [clients] in
            clients.close()
        }
    }

    private static func serve(
        _ endpoint: DatagramEndpoint,
        _ context: ServingContext,
        _ control: ClientThreads.Control
    ) {
        do throws(SystemError) {
            try BlockingDatagrams(endpoint, context, control).run()
        } catch {
            context.log.datagramsFailed(endpoint.address, error.errno)
        }
    }

    // Returns it when the system allows no further thread.
    private static func serve(
        _ accepted: consuming AcceptedSocket,
        _ context: ServingContext,
        _ clients: ClientThreads
    ) -> HandOver {
        let arrival = HandedOver(Arrival(accepted))
        do throws(SystemError) {
            try clients.start { control in
                guard let socket = arrival.value.take() else { return }
                BlockingEcho(arrival.value.peer, socket, context, control).run()
            }
            return .served
        } catch {
            guard let accepted = arrival.value.giveBack() else { return .served }
            return .lacking(error.errno, accepted)
        }
    }

    func drain(_ plan: DrainPlan) {
        acceptor.drain(plan)
        clients.drain(plan)
    }

    func probe(_ heartbeat: Heartbeat) {
        acceptor.probe(heartbeat)
        clients.probe(heartbeat)
    }

    func join() {
        clients.join()
        acceptor.join()
    }
}
