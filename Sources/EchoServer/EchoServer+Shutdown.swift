import EchoSockets

extension EchoServer {
    /// Stops the server and waits until everything is closed.
    ///
    /// Accepts the connections already queued and no more, keeps echoing what arrives, and ends
    /// each connection when it becomes quiet. In the last quarter of the timeout, a second at most,
    /// nothing more is read and pending bytes are delivered. When the timeout has passed, remaining
    /// connections are closed, with a reset if they are owed bytes. Every byte received is returned
    /// to a peer that reads it in time.
    ///
    /// Called again, or while another call is waiting, it can only bring the end forward. Never
    /// throws. On a server that was not started it makes starting impossible, and it ends a start
    /// in progress.
    ///
    /// - Parameter timeout: the time limit for draining; zero closes everything at once. `nil`
    ///   (default): as configured, which is to serve as before for ``Configuration/shutdownDelay``
    ///   and then to drain for ``Configuration/drainTimeout``.
    public func shutdown(drainingFor timeout: Duration? = nil) async {
        await withCheckedContinuation { continuation in
            run.beginShutdown(plan(timeout)) { continuation.resume() }
        }
    }

    /// Stops the server as ``shutdown(drainingFor:)`` does, for a program without tasks: blocks the
    /// calling thread until everything is closed.
    ///
    /// Needs no thread and no descriptor, so it works when the process has run out of both. Do not
    /// call it from the accept condition, which the server waits for.
    ///
    /// - Parameter timeout: as for ``shutdown(drainingFor:)``.
    @available(*, noasync, message: "use shutdown(drainingFor:) in a task")
    public func shutdownAndWait(drainingFor timeout: Duration? = nil) {
        let ended = Gate()
        run.beginShutdown(plan(timeout)) { ended.open() }
        ended.wait()
    }

    /// A shutdown as configured, or with another timeout and no delay.
    private func plan(_ timeout: Duration?) -> ShutdownPlan {
        if let timeout { return ShutdownPlan(drainingFor: timeout) }
        return ShutdownPlan(
            drainingFor: configuration.drainTimeout,
            after: configuration.shutdownDelay
        )
    }

    /// Begins to shut down as configured.
    func beginShutdown() {
        run.beginShutdown(plan(nil))
    }

    /// Begins to drain as configured, without the delay.
    func beginDraining() {
        run.beginShutdown(plan(configuration.drainTimeout))
    }

    /// Waits until the server has ended for any reason; returns at once if it does not serve.
    func waitUntilStopped() async {
        await withCheckedContinuation { continuation in
            let waits = run.lifecycle.withLock { $0.wait { continuation.resume() } }
            if !waits { continuation.resume() }
        }
    }
}
