/// What the probes of an endpoint are sent on: a connection, or a UDP socket.
///
/// Belongs to the loop's thread.
protocol PingLink: AnyObject {
    /// Sends a probe as soon as that is possible.
    func add(_ probe: PendingProbe)

    /// Closes it; its user is told nothing more.
    ///
    /// - Parameter byReset: whether the server sees a reset instead of an end.
    func close(byReset: Bool)
}

extension PingLink {
    /// Closes it in good order; its user is told nothing more.
    func close() { close(byReset: false) }
}
