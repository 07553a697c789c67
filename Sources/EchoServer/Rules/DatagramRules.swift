import EchoSockets

/// Which datagrams are answered (RFC 862, "UDP Based Echo Service").
///
/// A value without I/O, driven by the caller's clock. One for each socket: its memory is bounded,
/// however many sources there are, and taken with the first datagram.
struct DatagramRules: Sendable {
    private var loopGuard: LoopGuard?
    /// Whether each datagram of a message is judged by itself; if not, all go the way of the first.
    let judgesEach: Bool

    /// - Parameter loopGuard: ends loops with other echo services; `nil` for no such protection.
    init(_ loopGuard: LoopGuard?) {
        self.loopGuard = loopGuard
        judgesEach = loopGuard != nil
    }

    /// Judges a message by where it comes from and where it went.
    ///
    /// Changes nothing; mutating, so that the rules are not copied to ask them.
    ///
    /// - Parameters:
    ///   - source: where it comes from.
    ///   - isToGroup: whether it was sent to a broadcast or multicast address.
    /// - Returns: why none of its datagrams is answered; `nil` if they may be.
    mutating func refusal(
        from source: InternetAddress,
        isToGroup: Bool
    ) -> EchoServer.DatagramRefusal? {
        // One datagram would be answered by every server of the network at once.
        if isToGroup { return .group }
        // The kernel sends what is for `::` to this host.
        guard source.port != 0, !source.isUnspecified, !source.isMulticast else { return .noSource }
        return loopGuard?.refusal(from: source)
    }

    /// Judges one datagram of a message that may be answered.
    ///
    /// - Parameters:
    ///   - bytes: the datagram.
    ///   - source: where it comes from.
    ///   - now: the time.
    /// - Returns: why it is not answered; `nil` if it is.
    mutating func refusal(
        of bytes: UnsafeRawBufferPointer,
        from source: InternetAddress,
        at now: MonotonicTime
    ) -> EchoServer.DatagramRefusal? {
        unsafe loopGuard?.refusal(of: bytes, from: source, at: now)
    }
}

extension InternetAddress {
    fileprivate var isUnspecified: Bool { high == 0 && (low == 0 || ipv4 == 0) }
}
