import EchoSockets
import Glibc

/// Looks for the first address of an endpoint where a server accepts a connection, or answers
/// datagrams.
///
/// Belongs to the loop's thread.
final class AddressSearch: ChannelUser {
    private let loop: ClientLoop
    private let stop: ClientStop
    private let endpoint: Endpoint
    private var connector: Connector<AddressSearch>?
    private var place: Int?

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
    /// - Returns: the address; `nil` if the loop was told to end, or nobody answers datagrams.
    /// - Throws: of the failures of all addresses, the one that says most about the server.
    func run(within limit: Duration) throws(ConnectError) -> SocketAddress? {
        let addresses = try resolve()
        if loop.isStopped { return nil }
        guard !addresses.isEmpty else {
            let nowhere = SystemError(call: "getaddrinfo", errno: Errno(rawValue: EADDRNOTAVAIL))
            throw ConnectError(endpoint, nowhere)
        }
        if endpoint.isDatagram {
            do throws(SystemError) {
                return try DatagramSearch(loop).run(addresses, until: .now + limit)
            } catch {
                throw ConnectError(endpoint, error)
            }
        }
        var failure: ConnectError?
        let connector = Connector(loop, endpoint, addresses, timeout: limit, user: self) {
            failure = $0
        }
        self.connector = connector
        defer { self.connector = nil }
        connector.start()
        loop.run { failure != nil || place != nil }
        connector.cancel()
        // First: where this thread was held up, the limit may have passed in the same turn.
        if let place { return addresses[place] }
        if let failure { throw failure }
        return nil
    }

    /// Looks the addresses up.
    ///
    /// - Returns: all of them; none if the loop was told to end.
    /// - Throws: why there are none.
    func resolve() throws(ConnectError) -> [SocketAddress] {
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

    func channelOpened() {
        place = connector?.place
        connector?.opened()?.close()
    }

    func channelFailed(_ error: SystemError) {
        connector?.failed(error)
    }

    // Nothing is sent or received.
    func channelReceived(_ bytes: UnsafeRawBufferPointer) {}
    func channelSent() {}
    func channelEnded() {}
}
