extension EchoServer {
    /// Why a datagram was not answered.
    ///
    /// Nothing is sent to its source. All but ``group`` and ``noSource`` are the loop guard's: see
    /// ``Configuration/loopGuard``.
    public enum DatagramRefusal: String, CaseIterable, Sendable, Codable {
        /// It was sent to a broadcast or multicast address.
        case group
        /// It has no source that could be answered: its port is 0, or its address unspecified or a
        /// multicast address.
        case noSource = "no-source"
        /// It came from a port below 1024, where other services listen that answer whatever they
        /// get.
        case reservedPort = "reserved-port"
        /// It came from a port on which this server listens itself, on this host or another.
        case ownPort = "own-port"
        /// Its source sent more than ``Configuration/datagramRate``.
        case rate
        /// Datagrams identical to it kept coming from its source, as an answer does that another
        /// echo service answers.
        case repeated
    }
}
