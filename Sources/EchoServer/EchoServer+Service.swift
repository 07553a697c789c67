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
        let starts = try run.lifecycle.withLock { lifecycle throws(Failure) in
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
    // Looking up names, and waiting for threads, blocks: a thread of its own does it.
    private func startOnThread(_ attempt: StartAttempt) async -> Failure? {
        let run = run
        return await withCheckedContinuation { continuation in
            do throws(SystemError) {
                try Thread(name: "start") {
                    do throws(Failure) {
                        _ = try run.start(attempt)
                        continuation.resume(returning: nil)
                    } catch {
                        continuation.resume(returning: error)
                    }
                }.detach()
            } catch {
                for waiter in run.lifecycle.withLock({ $0.startFailed() }) { waiter() }
                let failure = Failure(
                    .system,
                    "cannot start the server: \(error)",
                    errno: error.errno
                )
                continuation.resume(returning: failure)
            }
        }
    }
}
