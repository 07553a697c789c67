/// Many connections to an echo server at once, driven by one thread, that check every byte that
/// comes back as it arrives.
///
///     let report = try await EchoLoad(connections: 100, bytes: 1 << 20).run(against: endpoint)
///     #expect(report.isComplete, "\(report)")
package struct EchoLoad: Sendable {
    /// What every connection of a load does.
    package enum Behaviour: Sendable {
        /// Sends while it reads, as fast as the server takes it.
        case echo
        /// Sends so many bytes and waits until all have come back, again and again; the last round
        /// may be shorter.
        case lockstep(size: Int)
        /// Sends as fast as it can, but reads only so many bytes every so often.
        case slowReader(bytes: Int, every: Duration)
        /// Sends as fast as it can and never reads. Ends only by ``RunningEchoLoad/stop()``, or
        /// when the server breaks the connection before it has taken all bytes.
        case neverReads
        /// Sends all bytes, does not read, and resets the connection.
        case reset
    }

    /// How many connections.
    package var connections: Int
    /// How many bytes each connection sends.
    package var bytes: Int
    /// How many bytes are given to one `send` at most.
    package var chunk = 16 * 1024
    /// What every connection does.
    package var behaviour: Behaviour
    /// Whether a connection half-closes after its last byte and then expects the server's end.
    package var halfCloses = true
    /// Whether a connection whose bytes have all come back stays open, idle, until
    /// ``RunningEchoLoad/stop()`` or until the server ends it.
    ///
    /// Overrules `halfCloses`.
    package var staysOpen = false
    /// How many connections may be opening, or waiting for their first byte back, at once.
    package var window = 512
    /// What makes the run's bytes differ from another run's.
    package var seed: UInt64 = 0x5EED
    /// When to give up.
    ///
    /// What is unfinished then is counted in the report.
    package var deadline: Duration = .seconds(30)

    /// A load.
    package init(connections: Int = 1, bytes: Int = 64 * 1024, behaviour: Behaviour = .echo) {
        self.connections = connections
        self.bytes = bytes
        self.behaviour = behaviour
    }
}
