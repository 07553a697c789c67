public import ServiceLifecycle

extension EchoServer: Service {
    /// Serves until graceful shutdown, cancellation or ``shutdown(drainingFor:)``, then drains
    /// for ``Configuration/drainTimeout``, and returns when everything is closed.
    ///
    /// Starts the server unless ``start()`` has been called. Signals are for the caller, or for
    /// the `ServiceGroup` it runs in.
    ///
    /// - Throws: what ``start()`` throws; ``Failure/Code/alreadyStarted`` if it is being run
    ///   already, and ``Failure/Code/alreadyShutDown`` after a shutdown.
    public func run() async throws {
        try startForRun()
        await withTaskCancellationOrGracefulShutdownHandler {
            await waitUntilStopped()
        } onCancelOrGracefulShutdown: { [self] in
            beginShutdown(configuration.drainTimeout) {}
        }
    }
}
