import EchoSockets

/// Ends loops between echo services (CVE-2024-2169): two of them answer each other for ever, once
/// one forged datagram has made one the source of a datagram to the other.
///
/// An echo service sends nothing of its own accord, so each datagram of a loop that is not answered
/// ends its part of it for good, while a client sends again. So it is enough to drop single
/// datagrams, in a place where every loop comes by and clients seldom do:
///
/// - Ports below 1024 belong to services, and clients do not send from there. Nor do they from a
///   port that the server itself listens on.
/// - A bucket for each source: loops that are faster than its rate run dry.
/// - Slow loops: see ``ReturnWatch``.
struct LoopGuard: Sendable {
    /// Datagrams per second that are answered to one source, unless configured.
    ///
    /// Far more than probes and tests need. What somebody could send to a victim by way of this
    /// server, with the victim's address as the source, stays below 12 Mbit/s of datagrams that
    /// fill an Ethernet frame, and is never more than what was sent here.
    static let defaultRate = 1_000

    /// Below it ports are reserved for services (RFC 6335, section 6; `ip_unprivileged_port_start`,
    /// ip(7)).
    private static let firstClientPort: UInt16 = 1_024

    private let ownPorts: [UInt16]
    private var buckets: SourceBuckets
    private var returns: ReturnWatch

    /// - Parameters:
    ///   - rate: datagrams per second answered to one source, at least 1.
    ///   - ownPorts: those on which the server listens for datagrams.
    init(rate: Int, ownPorts: [UInt16]) {
        self.ownPorts = ownPorts
        buckets = SourceBuckets(rate: rate)
        returns = ReturnWatch()
    }

    /// Judges a source by its port.
    ///
    /// Changes nothing; mutating, so that the guard is not copied to ask it.
    mutating func refusal(from source: InternetAddress) -> EchoServer.DatagramRefusal? {
        if source.port < Self.firstClientPort { return .reservedPort }
        return ownPorts.contains(source.port) ? .ownPort : nil
    }

    /// Judges a datagram by what came before it.
    mutating func refusal(
        of bytes: UnsafeRawBufferPointer,
        from source: InternetAddress,
        at now: MonotonicTime
    ) -> EchoServer.DatagramRefusal? {
        // First, and by the address alone: a flood costs no look at its bytes.
        guard buckets.take(from: source, at: now) else { return .rate }
        return unsafe returns.isReturn(bytes, from: source, at: now) ? .repeated : nil
    }
}
