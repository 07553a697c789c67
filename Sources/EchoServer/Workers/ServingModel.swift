import EchoSockets

/// What an I/O model implements; everything of its own is in its folder under `Models`.
///
/// All members may be called from any thread.
protocol ServingModel: AnyObject, Sendable {
    /// Prepares to serve connections and datagrams of these sockets.
    ///
    /// - Throws: `SystemError`.
    init(_ context: ServingContext, _ sockets: ServedSockets) throws

    /// Starts the threads. On return connections are accepted, and datagrams answered.
    func start() throws

    /// Begins to drain, or brings the end of draining forward, and returns at once. All connections
    /// are closed at the plan's deadline.
    func drain(_ plan: DrainPlan)

    /// Makes every loop answer a heartbeat from its own thread, and returns at once.
    func probe(_ heartbeat: Heartbeat)

    /// Waits until all threads have ended.
    func join()
}
