/// What one client of a check sends over UDP.
struct DatagramPlan {
    /// The name of the bytes, which stands for the client as well.
    let name: PayloadName
    /// The datagrams.
    let datagrams: [[UInt8]]

    /// Datagrams that the check chooses.
    init(_ name: PayloadName, datagrams: [[UInt8]]) {
        self.name = name
        self.datagrams = datagrams
    }

    /// Datagrams of some lengths, which carry the client's name, and their number.
    ///
    /// Of every eight bytes of them, that is: the number takes the place of the offset's upper
    /// bits.
    init(_ name: PayloadName, lengths: [Int]) {
        self.name = name
        datagrams = lengths.enumerated().map { number, length in
            name.pattern.bytes(from: number << Self.numberShift, count: length)
        }
    }

    static let numberShift = 16
}

/// What the clients of a check do at the same time.
struct DatagramStep {
    /// What each of them sends.
    var plans: [DatagramPlan]
    /// How many datagrams may be under way: what a server's socket can hold.
    var window = 16
    /// How many bytes they may have together, unless it is one datagram.
    var windowBytes = 64 * 1024
    /// Whether all are sent at once at first, whatever the window is.
    var isBurst = false
    /// How long it waits for further answers, after all have come back.
    var linger = Duration.zero

    init(_ plans: [DatagramPlan]) {
        self.plans = plans
    }
}
