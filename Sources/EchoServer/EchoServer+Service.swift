import EchoSockets
public import ServiceLifecycle

extension EchoServer: Service {
    /// Serves until graceful shutdown, cancellation or ``shutdown(drainingFor:)``, then drains
    /// for ``Configuration/drainTimeout``, and returns when everything is closed.
    ///
    /// A graceful shutdown is followed by ``Configuration/shutdownDelay`` before the server drains;
    /// cancellation is not, and ends the delay.
    ///
    /// Starts the server unless ``start()`` has been called; host names are looked up on a separate
    /// thread. Signals are up to the caller, or to the `ServiceGroup` it runs in.
    ///
    /// - Throws: what ``start()`` throws; ``Failure/Code/alreadyStarted`` if it is being run
    ///   already, and ``Failure/Code/alreadyShutDown`` after a shutdown.
    public func run() async throws(Failure) {
        let attempt = StartAttempt()
        let starts = try lifecycle.withLock { lifecycle throws(Failure) in
            try lifecycle.beginRun(attempt)
        }
        let failure = await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                if starts, let failure = await startOnThread(attempt) { return failure as Failure? }
                await waitUntilStopped()
                return nil
            } onGracefulShutdown: { [self] in
                beginShutdown()
            }
        } onCancel: {
            beginDraining()
        }
        // A shutdown during the start is like any other.
        if let failure, failure.code != .alreadyShutDown { throw failure }
    }
}
