package import EchoSockets
import EchoWinsock
import Glibc

extension NetworkSocket {
    /// Starts a connection.
    ///
    /// The corresponding function is `connect`, on a non-blocking socket.
    ///
    /// Its outcome is reported as `connect`, with the error if it failed, and then `write`, even if
    /// it is known at once.
    ///
    /// - Parameter address: the peer's address.
    /// - Throws: `ENOTSOCK` once closed, `EALREADY` while an attempt is in progress, `EISCONN`
    ///   after one has succeeded, or the reason why no attempt was made, such as an address of
    ///   another family; then there is no event.
    package func connect(to address: SocketAddress) throws(SystemError) {
        try checkConnectable()
        do {
            let isEstablished = try withSocket { (socket) throws(SystemError) in
                try socket.connect(to: address)
            }
            if isEstablished == true { return connected() }
        } catch {
            guard Self.isOutcome(error.errno) else { throw error }
            return failedToConnect(error.errno)
        }
        connectionPhase = .connecting
        try armWrite()
    }

    private func checkConnectable() throws(SystemError) {
        guard !isClosed else { throw SystemError(call: "connect", errno: .notASocket) }
        switch connectionPhase {
        case .unconnected: break
        case .connecting: throw SystemError(call: "connect", errno: Errno(rawValue: EALREADY))
        case .connected: throw SystemError(call: "connect", errno: Errno(rawValue: EISCONN))
        }
    }

    private static func isOutcome(_ error: Errno) -> Bool {
        switch error.rawValue {
        case ECONNREFUSED, ECONNRESET, ETIMEDOUT, ENETUNREACH, EHOSTUNREACH, ENETDOWN: true
        default: false
        }
    }

    /// Finds out how an attempt ended.
    func finishConnecting() {
        if let error = withSocket({ $0.takeError() }) ?? nil {
            failedToConnect(error)
        } else {
            connected()
        }
    }

    private func failedToConnect(_ error: Errno) {
        connectionPhase = .unconnected
        connectError = CompactErrno(error)
        silenced.remove(.connect)
        report(.connect, now: false)
    }

    private func connected() {
        connectionPhase = .connected
        connectError = CompactErrno()
        resumeReading()
        silenced.subtract([.connect, .write])
        report([.connect, .write], now: false)
    }
}
