/// What one connection of a check does.
struct ConversationPlan {
    /// When a connection reads.
    enum Reading {
        /// Whenever there is something.
        case always
        /// Nothing until everything is sent and a pause has passed.
        case afterSending(pause: Duration)
        /// Nothing at first, then a number of bytes at a time.
        case paced(delay: Duration, bytes: Int, every: Duration)
    }

    /// How a connection ends.
    enum Ending {
        /// Half-closes right after the last byte, and expects everything and the server's end.
        case halfCloseAtOnce
        /// Half-closes when everything has come back, and expects the server's end.
        case halfCloseAfterEcho
        /// Closes when everything has come back.
        case close
        /// Resets when a number of bytes has come back.
        case reset(after: Int)
    }

    /// The connection's name in evidence, such as `connection 46`.
    let label: String
    /// What is sent.
    let payload: CheckPayload
    /// Offsets in ascending order that it does not send beyond until all before has come back.
    var stops: [Int] = []
    /// Whether it waits at its first stop until all other connections have reached theirs.
    var meetsOthers = false
    /// The most bytes passed to one `send`.
    var chunk = 64 * 1024
    /// The most bytes that one receive takes: a loop with many connections fills up to 64 buffers
    /// before it looks at the first.
    var receiveLimit = Int.max
    /// When it reads.
    var reading = Reading.always
    /// How it ends.
    var ending = Ending.halfCloseAfterEcho
    /// Which byte is sent as urgent data, if one is.
    ///
    /// The next byte must differ: this distinguishes an urgent byte that did not come back from one
    /// that did.
    var urgentOffset: Int?

    init(_ label: String, _ payload: CheckPayload) {
        self.label = label
        self.payload = payload
    }
}

/// How a connection of a check ended.
enum ConversationEnd: Hashable {
    /// As planned; whether a byte sent as urgent data did not come back.
    case complete(urgentWasLost: Bool)
    /// A failure: what was wrong, and what was seen.
    case failed(EchoCheck.Fault, String)
}
