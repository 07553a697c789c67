extension EchoCheck {
    /// One thing that every echo server must do: RFC 862 over a stream, whatever clients do.
    ///
    /// The raw value is the check's name on the command line.
    @nonexhaustive
    public enum Check: String, CaseIterable, Hashable, Sendable {
        /// Nothing is sent.
        case empty
        /// One byte.
        case oneByte = "one-byte"
        /// All 256 values of a byte.
        case allBytes = "all-bytes"
        /// Sizes around every power of two.
        case sizes
        /// Half-closing right after the last byte.
        case halfClose = "half-close"
        /// Much data to a reader that pauses.
        case slowReader = "slow-reader"
        /// Everything is sent before anything is read.
        case sendFirst = "send-first"
        /// Many connections at once.
        case interleaved
        /// Neighbours that reset.
        case resets
        /// TCP's urgent data.
        case urgent
        /// Connections that come and go.
        case churn

        /// What the server is expected to do, in one line.
        public var meaning: String {
            switch self {
            case .empty: "a connection that sends nothing is ended, and receives nothing"
            case .oneByte: "a byte comes back while the connection stays open"
            case .allBytes: "each of the 256 byte values comes back unchanged, NUL included"
            case .sizes: "sizes around every power of two come back, one after another"
            case .halfClose: "what was sent right before a half-close comes back, then the end"
            case .slowReader: "a reader that pauses receives everything"
            case .sendFirst:
                "a client that sends 128 KiB before it reads anything receives all of it"
            case .interleaved: "many connections at once receive their own bytes only"
            case .resets: "neighbours that reset mid-stream disturb no other connection"
            case .urgent: "urgent data disturbs no other byte"
            case .churn: "connections that come and go quickly are all served"
            }
        }

        /// The check's index, which the bytes of its payload encode.
        var number: Int {
            Self.allCases.firstIndex(of: self) ?? 0
        }
    }
}
