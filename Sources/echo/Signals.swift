import Glibc

/// What signals do to the command: the same for process 1 of a container, for which the default
/// actions do not apply, and whatever was blocked or ignored when it was started.
enum Signals {
    /// Those that end the process at once with a message from the kernel or the runtime: faults of
    /// the program.
    private static let faults = [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS]
    /// Those that stop it and let it go on, for the shell's job control.
    private static let jobControl = [SIGTSTP, SIGTTIN, SIGCONT]

    /// Keeps all other signals pending, in this thread and in all that it starts, until somebody
    /// takes them or they are let through.
    ///
    /// To be called first: those that come later are not lost.
    static func hold() {
        // Of a write: it fails, and that is enough. Of a child: nobody waits for one.
        for number in [SIGPIPE, SIGXFSZ, SIGCHLD] { signal(number, SIG_IGN) }
        for number in faults + jobControl where isIgnored(number) { signal(number, SIG_DFL) }
        var set = held
        unsafe pthread_sigmask(SIG_SETMASK, &set, nil)
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

    /// Lets those end the process that are to end a command, also if they have come already; the
    /// others stay without effect.
    static func endCommand() {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for number in [SIGTERM, SIGINT, SIGQUIT, SIGHUP] {
            signal(number) { Signals.end(by: $0) }
            unsafe sigaddset(&set, number)
        }
        unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }

    /// Ends the process as the signal does by default; process 1 of a container, which it does not
    /// end, with the exit code that a shell shows for it.
    ///
    /// Also in a signal handler.
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
