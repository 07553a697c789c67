import EchoTestSupport

/// What one client of the fault run does, drawn from the seed and the client's number alone.
struct ClientScript: Sendable, CustomStringConvertible {
    /// How the client ends its connection.
    enum Ending: Hashable, Sendable {
        /// Half-closes after its last byte, and expects all bytes and then the end of the stream.
        case halfClose
        /// Closes when its last byte has come back.
        case close
        /// Resets once it has sent so many bytes.
        case reset(after: Int)
        /// Closes once it has sent so many bytes, whatever is under way or unread.
        case abandon(after: Int)
    }

    /// Bytes to send; ``longest`` at most.
    let bytes: Int
    /// Bytes given to one `send` at most.
    let chunk: Int
    /// Bytes that one `recv` asks for.
    let readSize: Int
    /// Probability of a pause after a send, and after a receive.
    let pauseChance: (sending: Double, receiving: Double)
    /// Milliseconds that a pause lasts at most.
    let longestPause: Int
    /// Probability that a send ends in an urgent byte (`MSG_OOB`).
    let urgentChance: Double
    /// Bytes that the kernel keeps for the client at most (`SO_RCVBUF`); its choice if `nil`.
    let receiveBuffer: CInt?
    /// Whether it comes over the Unix socket instead of TCP.
    let usesUnixSocket: Bool
    /// How it ends.
    let ending: Ending

    /// The most bytes that any client sends.
    static let longest = 1 << 20

    init(drawnFrom random: inout SeededGenerator) {
        bytes = random.spread(over: 0...Self.longest)
        // A megabyte in single bytes would only measure the client.
        chunk = random.spread(over: max(1, bytes / 512)...(64 << 10))
        readSize = random.spread(over: max(1, bytes / 512)...(64 << 10))
        let pauses = random.isLucky(0.4)
        pauseChance = pauses ? (sending: 0.1, receiving: 0.1) : (sending: 0, receiving: 0)
        longestPause = random.spread(over: 1...100)
        usesUnixSocket = random.isLucky(0.25)
        urgentChance = !usesUnixSocket && random.isLucky(0.2) ? 0.3 : 0
        receiveBuffer = random.isLucky(0.2) ? CInt(random.spread(over: 2048...65536)) : nil
        let cut = bytes > 0 ? Int.random(in: 1...bytes, using: &random) : 0
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<45: ending = .halfClose
        case 45..<70: ending = .close
        case 70..<85: ending = .reset(after: cut)
        default: ending = .abandon(after: cut)
        }
    }

    var description: String {
        let network = usesUnixSocket ? "Unix socket" : "TCP"
        return "\(network), \(bytes) bytes in chunks of \(chunk), \(ending)"
    }
}
