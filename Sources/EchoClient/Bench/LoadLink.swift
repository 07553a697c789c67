import EchoSockets

/// What a load sends its messages on: a connection, or a UDP socket.
protocol LoadLink: AnyObject {
    /// Its place in the schedule.
    var lane: Int { get set }
    /// Messages whose moment has come, and that have not been sent; open loop only.
    var due: Int { get }

    /// Whether a message is under way.
    var isWaiting: Bool { get }

    /// Connects.
    ///
    /// - Returns: `false` if the server's queue is full, to be tried again.
    func open() -> Bool
    /// Sends as many messages as may be under way.
    func fillUp()
    /// Takes note that a message's moment has come.
    func makeDue()
    /// Gives up messages that have been under way for too long.
    func expire(at now: MonotonicTime)
    /// Resets the connection, so that nothing is left behind.
    func close()
}
