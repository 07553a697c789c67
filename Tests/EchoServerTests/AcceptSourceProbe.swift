import EchoSockets
import EchoTestSupport
import Glibc
import InMemoryLogging
import Logging

@testable import EchoServer

/// An accept source of a listener on the loopback address, and what it says and does.
final class AcceptSourceProbe {
    /// What a step came to.
    enum Outcome: Equatable {
        case served(SocketAddress)
        case next
        case empty
        case wait(MonotonicTime)

        var moment: MonotonicTime? {
            guard case .wait(let moment) = self else { return nil }
            return moment
        }
    }

    let context: ServingContext
    let listening: ListeningSocket
    let wakeup: Wakeup
    let source: AcceptSource
    private let log = InMemoryLogHandler()

    init(
        _ configuration: EchoServer.Configuration = .init(),
        canServe: @escaping @Sendable (CInt) -> Bool = { _ in true }
    ) throws {
        let log = log
        context = ServingContext(configuration, logger: Logger(label: "test") { _ in log })
        try context.log.open()
        listening = ListeningSocket(try Listener(.loopback(port: 0)))
        wakeup = try Wakeup()
        source = AcceptSource(listening, context, wakeup: wakeup, canServe: canServe)
    }

    var statistics: EchoServer.Statistics { context.statistics }
    var isWoken: Bool { isReadable(wakeup.number, within: .zero) }

    /// The messages logged, with their level.
    var logged: [String] { entries.map { "\($0.level): \($0.message)" } }

    private var entries: [InMemoryLogHandler.Entry] {
        context.log.flush()
        return log.entries
    }

    /// A field of the last message logged.
    func lastLogged(_ field: String) -> String? {
        entries.last?.metadata[field].map { "\($0)" }
    }

    /// Connects; the connection may still be on its way into the queue.
    func connect() throws -> Socket {
        let client = try Socket(family: AF_INET, blocking: true)
        _ = try client.connect(to: listening.address)
        return client
    }

    /// Connects, and waits until something is queued.
    func connectQueued() async throws -> Socket {
        let client = try connect()
        _ = await eventually { isReadable(listening.number, within: .zero) }
        return client
    }

    /// Takes a step; a served connection is closed at once and still counts as active.
    func step() -> Outcome {
        switch source.step() {
        case .serve(let accepted): .served(accepted.peer.address)
        case .next: .next
        case .empty: .empty
        case .wait(let moment): .wait(moment)
        }
    }

    /// Takes a step and gives back what was to be served, for lack of something; gives when to try
    /// again.
    func stepAndGiveBack(_ errno: Errno) -> MonotonicTime? {
        guard case .serve(let accepted) = source.step() else { return nil }
        return source.takeBack(accepted, errno)
    }

    /// Takes steps until the outcome is the wanted one.
    func step(until wanted: Outcome) async -> Bool {
        await eventually { step() == wanted }
    }

    /// A connection of a peer has ended.
    func leave(_ address: SocketAddress) {
        context.admission.leave(Peer(address: address, userID: nil), cause: .peerClosed)
    }
}
