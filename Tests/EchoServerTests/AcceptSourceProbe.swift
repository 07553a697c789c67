import EchoSockets
import EchoTestSupport
import Glibc
import InMemoryLogging
import Logging
import Testing

@testable import EchoServer

/// An accept source of a listener on the loopback address, and what it says and does.
final class AcceptSourceProbe {
    /// What a step came to.
    enum Outcome: Equatable {
        case served(SocketAddress)
        case again
        case idle
        case pause(MonotonicTime)
        case closed

        var moment: MonotonicTime? {
            guard case .pause(let moment) = self else { return nil }
            return moment
        }
    }

    let context: ServingContext
    let listening: ListeningSocket
    let source: AcceptSource
    private let signals = Signals()
    private let log = InMemoryLogHandler()

    init(
        _ configuration: EchoServer.Configuration = .init(),
        inherited: Bool = false,
        canServe: @escaping @Sendable (CInt) -> Bool = { _ in true }
    ) throws {
        let log = log
        context = ServingContext(configuration, logger: Logger(label: "test") { _ in log })
        try context.log.open()
        listening = ListeningSocket(try Self.listener(inherited: inherited))
        source = AcceptSource(listening, context, canServe: canServe) { [signals] in signals.add() }
    }

    private static func listener(inherited: Bool) throws -> Listener {
        guard inherited else { return try Listener(.loopback(port: 0)) }
        let socket = try Socket(family: AF_INET)
        try systemCall("listen") { listen(socket.number, 16) }
        return try Listener(adopting: Descriptor(adopting: socket.release()))
    }

    var statistics: EchoServer.Statistics { context.statistics }
    var isWoken: Bool { signals.count > 0 }

    /// The messages logged, with their level.
    var logged: [String] { entries.map { "\($0.level): \($0.message)" } }

    private var entries: [InMemoryLogHandler.Entry] {
        context.log.outlet.flush(within: patience)
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
        Self.outcome(source.next())
    }

    /// Gives it what an engine would bring.
    func bring(_ outcome: consuming AcceptOutcome) -> Outcome {
        Self.outcome(source.next(outcome))
    }

    private static func outcome(_ step: consuming AcceptSource.Step) -> Outcome {
        switch consume step {
        case .serve(let accepted): .served(accepted.peer.address)
        case .again: .again
        case .idle: .idle
        case .pause(let moment): .pause(moment)
        case .closed: .closed
        }
    }

    /// Takes a step and gives back what was to be served, for lack of something; gives when to try
    /// again.
    func stepAndGiveBack(_ errno: Errno) -> MonotonicTime? {
        guard case .serve(let accepted) = source.next() else { return nil }
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

/// How often an acceptor was told to look again.
final class Signals: Sendable {
    private let received = Locked(0)

    func add() {
        received.withLock { $0 += 1 }
    }

    /// A signal that counts itself here.
    func retry() -> RetrySignal {
        RetrySignal { self.add() }
    }

    var count: Int { received.withLock { $0 } }
}

extension Socket {
    /// The address it is bound to.
    var bound: SocketAddress {
        get throws { try #require(localAddress) }
    }
}
