import EchoClient
package import EchoSockets
import Glibc

extension EchoLoad {
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
        let state = EchoLoadState()
        // Sanitizers need more stack than `ClientThread` has.
        try Thread(name: "echo load", stackSize: testStackSize) {
            state.outcome.complete(
                Result { () throws(SystemError) in
                    let run = EchoLoadRun(try ClientLoop(state.stop), self, address)
                    return try run.run { report in state.progress.withLock { $0 = report } }
                }
            )
        }.detach()
        return RunningEchoLoad(state)
    }
}

/// What a running load and its owner share.
private final class EchoLoadState: Sendable {
    let progress = Locked(EchoLoadReport())
    let outcome = Completion<Result<EchoLoadReport, SystemError>>()
    let stop = ClientStop()
}

/// A load under way.
///
/// Stops when nobody refers to it any more.
package final class RunningEchoLoad: Sendable {
    private let state: EchoLoadState

    fileprivate init(_ state: EchoLoadState) {
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
        state.stop.stop()
    }

    /// Waits for the load's end.
    ///
    /// - Returns: what came of it.
    /// - Throws: `SystemError` if descriptors ran out.
    package func report() async throws(SystemError) -> EchoLoadReport {
        try await state.outcome.value.get()
    }
}
