package import EchoSockets
import Glibc
import Synchronization

/// Many connections to an echo server at once, driven by one thread, that check every byte that
/// comes back as it arrives.
///
///     let report = try await EchoLoad(connections: 100, bytes: 1 << 20).run(against: endpoint)
///     #expect(report.isComplete, "\(report)")
package struct EchoLoad: Sendable {
    /// What every connection of a load does.
    package enum Behaviour: Sendable {
        /// Sends while it reads, as fast as the server takes it.
        case echo
        /// Sends so many bytes and waits until all have come back, again and again; the last round
        /// may be shorter.
        case lockstep(size: Int)
        /// Sends as fast as it can, but reads only so many bytes every so often.
        case slowReader(bytes: Int, every: Duration)
        /// Sends as fast as it can and never reads. Ends only by ``RunningEchoLoad/stop()``, or
        /// when the server breaks the connection.
        case neverReads
        /// Sends all bytes, does not read, and resets the connection.
        case reset
    }

    /// How many connections.
    package var connections: Int
    /// How many bytes each connection sends.
    package var bytes: Int
    /// How many bytes are given to one `send` at most.
    package var chunk = 16 * 1024
    /// What every connection does.
    package var behaviour: Behaviour
    /// Whether a connection half-closes after its last byte and then expects the server's end.
    package var halfCloses = true
    /// Whether a connection whose bytes have all come back stays open, idle, until
    /// ``RunningEchoLoad/stop()`` or until the server ends it.
    ///
    /// Overrules `halfCloses`.
    package var staysOpen = false
    /// How many connections may be opening, or waiting for their first byte back, at once.
    package var window = 512
    /// What makes the run's bytes differ from another run's.
    package var seed: UInt64 = 0x5EED
    /// When to give up.
    ///
    /// What is unfinished then is counted in the report.
    package var deadline: Duration = .seconds(30)

    /// A load.
    package init(connections: Int = 1, bytes: Int = 64 * 1024, behaviour: Behaviour = .echo) {
        self.connections = connections
        self.bytes = bytes
        self.behaviour = behaviour
    }

    /// Runs the load to its end on a thread of its own.
    ///
    /// - Parameter endpoint: the server; the first address that it stands for is used.
    /// - Returns: what came of it.
    /// - Throws: `Endpoint.ResolutionError`, or `SystemError` if descriptors or threads run out.
    package func run(against endpoint: Endpoint) async throws -> EchoLoadReport {
        try await start(against: endpoint).report()
    }

    /// Runs the load against an address.
    ///
    /// - Parameter address: the server.
    /// - Returns: what came of it.
    /// - Throws: `SystemError` if descriptors or threads run out.
    package func run(against address: SocketAddress) async throws -> EchoLoadReport {
        try await start(against: address).report()
    }

    /// Starts the load and lets it run.
    ///
    /// - Parameter endpoint: the server; the first address that it stands for is used.
    /// - Returns: the running load; it stops when nobody refers to it any more.
    /// - Throws: `Endpoint.ResolutionError`, or `SystemError` if no thread could be had.
    package func start(against endpoint: Endpoint) throws -> RunningEchoLoad {
        guard let address = try endpoint.resolve().first else {
            throw SystemError(call: "getaddrinfo", errno: Errno(rawValue: EADDRNOTAVAIL))
        }
        return try start(against: address)
    }

    /// Starts the load against an address and lets it run.
    ///
    /// - Parameter address: the server.
    /// - Returns: the running load; it stops when nobody refers to it any more.
    /// - Throws: `SystemError` if no thread could be had.
    package func start(against address: SocketAddress) throws(SystemError) -> RunningEchoLoad {
        let state = EchoLoadState(wakeup: try Wakeup())
        try Thread(name: "echo load", stackSize: testStackSize) {
            state.outcome.complete(
                Result { () throws(SystemError) in
                    try EchoLoadLoop(self, address, state).run()
                }
            )
        }.detach()
        return RunningEchoLoad(state)
    }
}

/// What a running load and its owner share.
final class EchoLoadState: Sendable {
    let progress = Locked(EchoLoadReport())
    let isStopped = Atomic(false)
    let outcome = Completion<Result<EchoLoadReport, SystemError>>()
    let wakeup: Wakeup

    init(wakeup: Wakeup) {
        self.wakeup = wakeup
    }
}

/// A load under way.
///
/// Stops when nobody refers to it any more.
package final class RunningEchoLoad: Sendable {
    private let state: EchoLoadState

    init(_ state: EchoLoadState) {
        self.state = state
    }

    deinit {
        stop()
    }

    /// What has come of it so far.
    package var progress: EchoLoadReport {
        state.progress.withLock { $0 }
    }

    /// Waits until the load has come so far.
    ///
    /// - Parameters:
    ///   - limit: how long to wait.
    ///   - condition: how far it is to come.
    /// - Returns: whether it came so far in time, and before its end.
    package func reaches(
        within limit: Duration = patience,
        _ condition: (EchoLoadReport) -> Bool
    ) async -> Bool {
        var reached = false
        _ = await eventually(within: limit) {
            let isOver = state.outcome.current != nil
            reached = condition(progress)
            return reached || isOver
        }
        return reached
    }

    /// Ends the load now: closes every connection that is open.
    package func stop() {
        state.isStopped.store(true, ordering: .releasing)
        state.wakeup.signal()
    }

    /// Waits for the load's end.
    ///
    /// - Returns: what came of it.
    /// - Throws: `SystemError` if descriptors ran out.
    package func report() async throws(SystemError) -> EchoLoadReport {
        try await state.outcome.value.get()
    }
}
