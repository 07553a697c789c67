import Glibc

/// What signals do to the command: the same for process 1 of a container, to which the default
/// actions do not apply, and regardless of what was blocked or ignored when it was started.
enum Signals {
    /// Program faults, which end the process at once with a message from the kernel or the runtime.
    private static let faults = [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS]
    /// Job control: signals that stop and continue the process.
    private static let jobControl = [SIGTSTP, SIGTTIN, SIGCONT]

    /// Keeps all other signals pending, in this thread and in those that it starts, until they are
    /// taken or unblocked.
    ///
    /// Call it first: later signals are then not lost.
    static func hold() {
        // SIGPIPE and SIGXFSZ: a write that fails is enough. SIGCHLD: children, where there
        // are any, are not waited for unless it is asked for.
        for number in [SIGPIPE, SIGXFSZ, SIGCHLD] { signal(number, SIG_IGN) }
        for number in faults + jobControl where isIgnored(number) { signal(number, SIG_DFL) }
        var set = held
        unsafe pthread_sigmask(SIG_SETMASK, &set, nil)
    }

    /// Lets the ends of children be waited for.
    static func expectChildren() {
        signal(SIGCHLD, SIG_DFL)
    }

    private static func isIgnored(_ number: CInt) -> Bool {
        var action = sigaction()
        guard unsafe sigaction(number, nil, &action) == 0 else { return false }
        return unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
            == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    /// The signals that are kept pending.
    static var held: sigset_t {
        var set = sigset_t()
        unsafe sigfillset(&set)
        for number in faults + jobControl { unsafe sigdelset(&set, number) }
        return set
    }

    /// Lets the signals that end a command end the process, even if they have already arrived; the
    /// others have no effect.
    static func endCommand() {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for number in [SIGTERM, SIGINT, SIGQUIT, SIGHUP] {
            signal(number) { Signals.end(by: $0) }
            unsafe sigaddset(&set, number)
        }
        unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }

    /// Ends the process as the signal does by default.
    ///
    /// Process 1 of a container, which the signal does not end, exits with the code that a shell
    /// shows for it. May be called in a signal handler.
    static func end(by number: CInt) -> Never {
        signal(number, SIG_DFL)
        var set = sigset_t()
        unsafe sigemptyset(&set)
        unsafe sigaddset(&set, number)
        unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
        raise(number)
        _exit(128 + number)
    }
}
