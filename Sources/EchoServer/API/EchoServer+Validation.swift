package import EchoSockets

extension EchoServer.Configuration {
    /// The range of ``keepalive``.
    package static let keepaliveRange: ClosedRange<Duration> = .seconds(1) ... .seconds(9 * 3600)

    /// The range of ``busyPoll``.
    package static let busyPollRange: ClosedRange<Duration> = .zero ... .seconds(1)

    /// The options that connections inherit from their listening socket.
    var connectionOptions: ConnectionOptions {
        ConnectionOptions(
            keepalive: keepalive,
            receiveBuffer: socketReceiveBuffer.map { CInt(clamping: $0) },
            // Echoed like all others (rule 6).
            urgentInline: true
        )
    }

    /// Who may connect to the Unix sockets that the server opens.
    ///
    /// - Throws: ``EchoServer/Failure`` if there is no such group.
    package var socketFileAccess: SocketFileAccess {
        get throws(EchoServer.Failure) {
            var access = SocketFileAccess(mode: socketMode)
            if let socketGroup {
                guard let number = SystemGroup.number(of: socketGroup) else {
                    let name = socketGroup.escapedForLog
                    throw invalid("socketGroup is \"\(name)\"; there is no such group")
                }
                access.group = number
            }
            return access
        }
    }

    /// Checks every value, but not whether there is anything to listen on, as
    /// ``EchoServer/start()`` does.
    ///
    /// - Throws: ``EchoServer/Failure`` that names the first setting out of range, its value and
    ///   the range.
    public func validate() throws(EchoServer.Failure) {
        try check("workers", workers, 1...1024)
        try check("maximumConnections", maximumConnections, 1...Int(Int32.max))
        try check("maximumConnectionsPerPeer", maximumConnectionsPerPeer, 1...Int(Int32.max))
        try check("receiveBufferSize", receiveBufferSize, 64...(16 << 20))
        try check("socketReceiveBuffer", socketReceiveBuffer, 4096...(1 << 30))
        try check("pendingLimit", pendingLimit, 64...(1 << 30))
        try check("backlog", backlog, 1...Int(Int32.max))
        try check("datagramRate", datagramRate, 1...1_000_000)
        if let keepalive, !Self.keepaliveRange.contains(keepalive) {
            throw invalid("keepalive is \(keepalive); it must be from 1 s to 9 h")
        }
        if let socketMode, socketMode > 0o777 {
            let octal = String(socketMode, radix: 8)
            throw invalid("socketMode is 0o\(octal); it must be from 0 to 0o777")
        }
        _ = try socketFileAccess
        if let idleTimeout, idleTimeout <= .zero {
            throw invalid("idleTimeout is \(idleTimeout); it must be greater than zero")
        }
        if shutdownDelay < .zero {
            throw invalid("shutdownDelay is \(shutdownDelay); it must not be negative")
        }
        if drainTimeout < .zero {
            throw invalid("drainTimeout is \(drainTimeout); it must not be negative")
        }
        if let busyPoll, !Self.busyPollRange.contains(busyPoll) {
            throw invalid("busyPoll is \(busyPoll); it must be from 0 to 1 s")
        }
    }

    private func check(
        _ name: String,
        _ value: Int?,
        _ range: ClosedRange<Int>
    ) throws(EchoServer.Failure) {
        guard let value, !range.contains(value) else { return }
        throw invalid(
            "\(name) is \(value); it must be from \(range.lowerBound) to \(range.upperBound)"
        )
    }

    private func invalid(_ message: String) -> EchoServer.Failure {
        EchoServer.Failure(.invalidConfiguration, message)
    }
}
