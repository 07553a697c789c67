import CEchoLinux
package import Glibc

/// A program that runs as a child of this process, in a process group of its own.
///
/// It is killed when nobody refers to it any more. Any thread.
package final class ChildProcess: Sendable {
    /// The process, which is also its group.
    package let pid: pid_t
    /// What it writes to its standard output, non-blocking; nothing if that is not kept.
    package let output: Descriptor
    // Until then, nobody else's group can have its number.
    private let reaped = Locked<Ending?>(nil)

    /// How a program ended.
    package enum Ending: Equatable, Sendable {
        /// By itself, with this exit code.
        case code(CInt)
        /// By a signal.
        case signal(CInt)
        /// The kernel does not tell: whoever ignores `SIGCHLD` is not told.
        case unknown
    }

    /// Starts a program, whose standard input is empty and whose standard error goes nowhere.
    ///
    /// The corresponding C function is `posix_spawnp`.
    ///
    /// - Parameters:
    ///   - command: the program, looked up in `PATH` unless it is a path, and its arguments.
    ///   - processors: those that it may use; all that the calling thread may use if it is empty.
    ///   - keepsOutput: whether what it writes to its standard output is for ``output``, which
    ///     somebody has to read then; otherwise it goes nowhere.
    /// - Throws: what `posix_spawnp` or `pipe2` gave.
    package init(
        _ command: [String],
        processors: [Int] = [],
        keepsOutput: Bool
    ) throws(SystemError) {
        var ends: [CInt] = [-1, -1]
        try systemCall("pipe2") { unsafe pipe2(&ends, O_CLOEXEC) }
        output = Descriptor(adopting: ends[0])
        let writing = Descriptor(adopting: ends[1])
        try output.setNonBlocking(true)
        pid = try Self.spawn(command, keepsOutput ? writing.rawValue : nil, processors)
    }

    deinit {
        end(within: .zero)
    }

    private static func spawn(
        _ command: [String],
        _ writing: CInt?,
        _ processors: [Int]
    ) throws(SystemError) -> pid_t {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        for output in [1, 2] as [CInt] {
            unsafe posix_spawn_file_actions_addopen(&actions, output, "/dev/null", O_WRONLY, 0)
        }
        if let writing { unsafe posix_spawn_file_actions_adddup2(&actions, writing, 1) }
        unsafe posix_spawn_file_actions_addclosefrom_np(&actions, 3)
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        setUp(&attributes)
        var pid: pid_t = 0
        // A child inherits them from the thread that starts it.
        let own = processors.isEmpty ? [] : Processors.allowed
        if !processors.isEmpty { Processors.allow(processors) }
        defer { if !processors.isEmpty { Processors.allow(own) } }
        let status = unsafe withCStrings(command) { arguments in
            unsafe posix_spawnp(&pid, command[0], &actions, &attributes, arguments, environ)
        }
        guard status == 0 else {
            throw SystemError(call: "posix_spawn", errno: Errno(rawValue: status))
        }
        return pid
    }

    // No blocked or ignored signals, and a group of its own: ^C is for this process.
    private static func setUp(_ attributes: inout posix_spawnattr_t) {
        var none = sigset_t()
        var all = sigset_t()
        unsafe sigemptyset(&none)
        unsafe sigfillset(&all)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setsigdefault(&attributes, &all)
        unsafe posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP
        unsafe posix_spawnattr_setflags(&attributes, Int16(flags))
    }

    /// Whether it still runs.
    package var isRunning: Bool { ending == nil }

    /// How it ended; `nil` while it runs.
    package var ending: Ending? {
        reaped.withLock { $0 ?? awaitEnd(WNOHANG | WNOWAIT) }
    }

    /// How it ended; blocks until it has, or the time is over.
    ///
    /// Its sockets and pipes are closed some time before it has ended.
    ///
    /// - Parameter limit: how long to wait for it.
    /// - Returns: how; `nil` if it still runs.
    package func ending(within limit: Duration) -> Ending? {
        let deadline = MonotonicTime.now + limit
        while isRunning, .now < deadline { _ = poll(nil, 0, 1) }
        return ending
    }

    private func awaitEnd(_ flags: CInt) -> Ending? {
        var information = unsafe siginfo_t()
        while unsafe waitid(P_PID, id_t(pid), &information, WEXITED | flags) != 0 {
            guard errno == EINTR else { return .unknown }
        }
        guard unsafe information.si_signo != 0 else { return nil }
        let status = unsafe information._sifields._sigchld.si_status
        return unsafe information.si_code == CInt(CLD_EXITED) ? .code(status) : .signal(status)
    }

    /// Asks the group to end (`SIGTERM`), and kills what has not; blocks.
    ///
    /// - Parameter limit: how long to wait for it to end by itself.
    package func end(within limit: Duration) {
        if isRunning, limit > .zero { kill(-pid, SIGTERM) }
        _ = ending(within: limit)
        reaped.withLock { reaped in
            guard reaped == nil else { return }
            kill(-pid, SIGKILL)
            reaped = awaitEnd(0)
        }
    }
}

/// Calls `body` with a null-terminated array of C strings.
package func withCStrings<Result>(
    _ strings: [String],
    _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    var pointers = unsafe strings.map { unsafe strdup($0) }
    unsafe pointers.append(nil)
    defer {
        for index in unsafe pointers.indices { unsafe free(pointers[index]) }
    }
    return unsafe body(pointers)
}
