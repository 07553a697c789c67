package import EchoSockets

/// A start in progress, which can be cancelled while host names are looked up: that may take
/// minutes, and cannot be interrupted.
///
/// A separate thread looks them up, so that no other thread has to wait to the end. Any thread.
package final class StartAttempt: Sendable {
    private typealias Addresses = Result<[[SocketAddress]], EchoServer.Failure>

    private let outcome = Outcome<Addresses>()

    /// An attempt that has not begun.
    package init() {}

    /// The addresses of each endpoint.
    ///
    /// Blocks while names are looked up, or until ``abandon()``. Call it once.
    ///
    /// - Throws: `EchoServer.Failure` that names the endpoint.
    package func addresses(of endpoints: [Endpoint]) throws(EchoServer.Failure) -> [[SocketAddress]]
    {
        if endpoints.contains(where: \.needsLookUp) {
            try lookUp(endpoints)
        } else {
            outcome.settle(Self.resolve(endpoints))
        }
        return try outcome.wait().get()
    }

    /// The failure of a cancelled start.
    static let abandoned = EchoServer.Failure(
        .alreadyShutDown,
        "the server was shut down while it was being started"
    )

    /// Cancels it: waiting for addresses ends at once.
    package func abandon() {
        outcome.settle(.failure(Self.abandoned))
    }

    private func lookUp(_ endpoints: [Endpoint]) throws(EchoServer.Failure) {
        do throws(SystemError) {
            // The resolver needs more stack than our own threads do.
            try Thread(name: "look-up", stackSize: 2 << 20) { [outcome] in
                outcome.settle(Self.resolve(endpoints))
            }.detach()
        } catch {
            throw EchoServer.Failure(
                .system,
                "cannot look up host names: \(error)",
                errno: error.errno
            )
        }
    }

    private static func resolve(_ endpoints: [Endpoint]) -> Addresses {
        do throws(EchoServer.Failure) {
            return .success(
                try endpoints.map { endpoint throws(EchoServer.Failure) in
                    do throws(Endpoint.ResolutionError) {
                        return try endpoint.resolve()
                    } catch {
                        throw EchoServer.Failure(
                            .unknownHost,
                            "cannot listen on \(endpoint): \(error)"
                        )
                    }
                }
            )
        } catch {
            return .failure(error)
        }
    }
}
