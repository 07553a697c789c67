extension EchoCheck {
    /// One thing that every echo server must do, whatever clients do: RFC 862 over a stream, or
    /// over UDP.
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
        /// A datagram of one byte.
        case udpByte = "udp-byte"
        /// A datagram without bytes.
        case udpEmpty = "udp-empty"
        /// All 256 values of a byte in a datagram.
        case udpBytes = "udp-bytes"
        /// Datagrams that fit a packet of an Ethernet.
        case udpSizes = "udp-sizes"
        /// Datagrams that are sent in fragments.
        case udpLarge = "udp-large"
        /// How often datagrams come back.
        case udpOnce = "udp-once"
        /// Where answers come from.
        case udpSource = "udp-source"
        /// Datagrams of many clients.
        case udpClients = "udp-clients"
        /// Many datagrams at once.
        case udpBurst = "udp-burst"

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
            case .udpByte: "a datagram of one byte comes back"
            case .udpEmpty: "a datagram without bytes comes back"
            case .udpBytes: "each of the 256 byte values comes back unchanged in a datagram"
            case .udpSizes: "datagrams of 2 to 1472 bytes come back whole, in any order"
            case .udpLarge: "datagrams of 1473 to 65507 bytes come back whole, in any order"
            case .udpOnce: "each datagram comes back once"
            case .udpSource: "answers come from the address that was asked"
            case .udpClients: "many clients at once receive their own datagrams only"
            case .udpBurst: "many datagrams at once come back, those that are lost when sent again"
            }
        }

        /// Whether it is for servers of datagrams.
        package var isForDatagrams: Bool { rawValue.hasPrefix("udp-") }

        /// The check's index among those of its kind, which the bytes of its payload encode.
        var number: Int {
            Self.cases(forDatagrams: isForDatagrams).firstIndex(of: self) ?? 0
        }

        /// The checks of connections, or of datagrams.
        static func cases(forDatagrams isForDatagrams: Bool) -> [Check] {
            allCases.filter { $0.isForDatagrams == isForDatagrams }
        }
    }

    /// The checks that apply to a server.
    ///
    /// - Parameter endpoint: the server: those over UDP have checks of their own.
    /// - Returns: the checks, in the order in which they are run.
    public static func checks(for endpoint: EchoEndpoint) -> [Check] {
        Check.cases(forDatagrams: endpoint.isDatagram)
    }
}
