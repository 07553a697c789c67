import EchoSockets
import Glibc

/// Looks for the first address of an endpoint where a server accepts a connection.
///
/// Belongs to the loop's thread.
final class AddressSearch: ChannelUser {
    private let loop: ClientLoop
    private let stop: ClientStop
    private let endpoint: Endpoint
    private var outcome: Result<Void, SystemError>?

    /// - Parameters:
    ///   - loop: whose thread it is for.
    ///   - stop: the loop's.
    ///   - endpoint: the server.
    init(_ loop: ClientLoop, _ stop: ClientStop, _ endpoint: Endpoint) {
        self.loop = loop
        self.stop = stop
        self.endpoint = endpoint
    }

    /// Connects to one address after another; the connection is closed again.
    ///
    /// - Parameter limit: the time limit for all addresses together; each gets an equal share of
    ///   the rest.
    /// - Returns: the address; `nil` if the loop was told to end.
    /// - Throws: of the failures of all addresses, the one that says most about the server.
    func run(within limit: Duration) throws(ConnectError) -> SocketAddress? {
        let addresses = try resolve()
        let end = MonotonicTime.now + limit
        var failure: ConnectError?
        for (index, address) in addresses.enumerated() {
            let share = (end - .now) / (addresses.count - index)
            do throws(SystemError) {
                return try connect(to: address, until: .now + share) ? address : nil
            } catch {
                let attempt = ConnectError(endpoint, error, at: address)
                if attempt.weight > failure?.weight ?? -1 { failure = attempt }
            }
        }
        if loop.isStopped { return nil }
        let nowhere = SystemError(call: "getaddrinfo", errno: Errno(rawValue: EADDRNOTAVAIL))
        throw failure ?? ConnectError(endpoint, nowhere)
    }

    // Empty if the loop was told to end.
    private func resolve() throws(ConnectError) -> [SocketAddress] {
        do throws(Endpoint.ResolutionError) {
            guard endpoint.needsLookUp else { return try endpoint.resolve() }
        } catch {
            throw ConnectError(endpoint, .resolution(error))
        }
        let lookUps = NameLookUps(of: [endpoint], wakes: stop)
        do throws(SystemError) {
            try lookUps.start()
        } catch {
            throw ConnectError(endpoint, error)
        }
        var answer: NameLookUps.Answer?
        loop.run {
            answer = lookUps.fetch().first
            return answer != nil
        }
        switch answer?.addresses {
        case .success(let addresses): return addresses
        case .failure(let error): throw ConnectError(endpoint, .resolution(error))
        case nil: return []
        }
    }

    // Whether there was a connection, rather than the loop was told to end.
    private func connect(
        to address: SocketAddress,
        until end: MonotonicTime
    )
        throws(SystemError) -> Bool
    {
        while !loop.isStopped {
            outcome = nil
            let channel = Channel(loop.loop, user: self)
            defer { channel.close() }
            switch channel.connect(to: address) {
            case .started:
                loop.run(until: end) { outcome != nil }
                if let outcome {
                    try outcome.get()
                    return true
                }
            case .queueFull:
                // Nothing tells when it is not full any more.
                loop.run(until: min(end, .now + .milliseconds(10))) { false }
            case .failed(let error): throw error
            }
            if end <= .now, !loop.isStopped {
                throw SystemError(call: "connect", errno: Errno(rawValue: ETIMEDOUT))
            }
        }
        return false
    }

    func channelOpened() {
        outcome = .success(())
    }

    func channelFailed(_ error: SystemError) {
        outcome = .failure(error)
    }

    // Nothing is sent or received.
    func channelReceived(_ bytes: UnsafeRawBufferPointer) {}
    func channelSent() {}
    func channelEnded() {}
}
