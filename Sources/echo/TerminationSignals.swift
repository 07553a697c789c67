import Glibc

/// The signals that ask a server to stop, taken on the main thread.
///
/// Without Dispatch and without tasks, which need threads and descriptors at the very moment: a
/// server that has run out of either must still stop when it is told to.
struct TerminationSignals: ~Copyable {
    private static let numbers = [SIGTERM, SIGINT]
    private var set = sigset_t()

    /// Keeps the signals pending for ``wait()``, in this thread and in all that it starts.
    init() {
        unsafe sigemptyset(&set)
        for number in Self.numbers { unsafe sigaddset(&set, number) }
        unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Waits for the first signal; from then on they do what they do by default.
    ///
    /// The corresponding C function is `sigwait`.
    mutating func wait() {
        var number: CInt = 0
        unsafe sigwait(&set, &number)
        for number in Self.numbers { signal(number, SIG_DFL) }
        unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }
}
