package import EchoSockets
import Glibc

/// A client's connection to an echo server, non-blocking.
///
/// Owns its socket.
package struct ConnectedSocket: ~Copyable, Sendable {
    /// The connected socket.
    package let socket: Socket
    /// The endpoint.
    package let endpoint: Endpoint
    /// The peer: one of the endpoint's addresses.
    package let peer: SocketAddress

    /// Connects to the first address of an endpoint that answers.
    ///
    /// Blocks. The corresponding C functions are `getaddrinfo`, `socket`, `connect` and `poll`.
    ///
    /// - Parameters:
    ///   - endpoint: the server.
    ///   - timeout: the time limit for connecting, for all addresses together; each gets an equal
    ///     share of the rest. Looking up a name does not count. `nil` leaves it to the kernel.
    /// - Returns: the connection, with `TCP_NODELAY` set where it applies.
    /// - Throws: of the failures of all addresses, the one that says most about the server.
    package static func open(
        _ endpoint: Endpoint,
        timeout: Duration? = nil
    ) throws(ConnectError) -> ConnectedSocket {
        let addresses: [SocketAddress]
        do {
            addresses = try endpoint.resolve()
        } catch {
            throw ConnectError(endpoint, .resolution(error))
        }
        let end = timeout.map { MonotonicTime.now + $0 }
        var failure: ConnectError?
        for (index, address) in addresses.enumerated() {
            let share = end.map { ($0 - .now) / (addresses.count - index) }
            do {
                let socket = try connect(to: address, within: share)
                return ConnectedSocket(socket: socket, endpoint: endpoint, peer: address)
            } catch {
                let attempt = ConnectError(endpoint, error, at: address)
                if attempt.weight > failure?.weight ?? -1 { failure = attempt }
            }
        }
        let nowhere = SystemError(call: "getaddrinfo", errno: Errno(rawValue: EADDRNOTAVAIL))
        throw failure ?? ConnectError(endpoint, nowhere)
    }

    private static func connect(
        to address: SocketAddress,
        within limit: Duration?
    ) throws(SystemError) -> Socket {
        if case .unix = address { return try connectUnix(to: address, within: limit) }
        let socket = try Socket(family: address.family)
        try? socket.setNoDelay()
        if try socket.connect(to: address) { return socket }
        var entry = pollfd(fd: socket.number, events: Int16(POLLOUT), revents: 0)
        let end = limit.map { MonotonicTime.now + $0 }
        let count = try systemCall("poll") {
            unsafe poll(&entry, 1, end.map { ($0 - .now).millisecondsRoundedUp } ?? -1)
        }
        if count == 0 { throw SystemError(call: "connect", errno: Errno(rawValue: ETIMEDOUT)) }
        if let error = socket.takeError() { throw SystemError(call: "connect", errno: error) }
        return socket
    }

    // With a full queue, a non-blocking connect fails with EAGAIN and leaves nothing to wait for; a
    // blocking one waits, as long as SO_SNDTIMEO says: unix(7).
    private static func connectUnix(
        to address: SocketAddress,
        within limit: Duration?
    ) throws(SystemError) -> Socket {
        let socket = try Socket(family: address.family, blocking: true)
        do throws(SystemError) {
            if let limit { try socket.setBlockingTimeout(limit) }
        } catch {
            return try connectUnixAgain(to: address, within: limit ?? .zero)
        }
        _ = try socket.connect(to: address)
        try socket.descriptor.setNonBlocking(true)
        return socket
    }

    // Where that option is missing, checks now and then whether the queue has room.
    private static func connectUnixAgain(
        to address: SocketAddress,
        within limit: Duration
    ) throws(SystemError) -> Socket {
        let end = MonotonicTime.now + limit
        while true {
            let socket = try Socket(family: address.family)
            do throws(SystemError) {
                _ = try socket.connect(to: address)
                return socket
            } catch {
                guard error.errno.rawValue == EAGAIN, .now < end else { throw error }
            }
            _ = poll(nil, 0, 10)
        }
    }
}

/// Whether a descriptor is a terminal.
///
/// The corresponding C function is `isatty`.
package func isTerminal(_ number: CInt) -> Bool {
    isatty(number) == 1
}
