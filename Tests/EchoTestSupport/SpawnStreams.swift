import CEchoLinux
import EchoSockets
import Glibc

/// The descriptors between a test and a program it starts.
///
/// All are close-on-exec; the program gets copies as its own 0, 1 and 2.
struct SpawnStreams: ~Copyable {
    private let childInput: Descriptor
    private let childOutput: Descriptor
    private let childErrors: Descriptor
    private let ownInput: Descriptor?
    private let ownOutput: Descriptor
    private let ownErrors: Descriptor
    private let terminal: String?

    init(_ input: RunningProcess.Input) throws(SystemError) {
        let errors = try Self.pipe()
        let main = try Self.mainStreams(input)
        childInput = Descriptor(adopting: main.childInput)
        childOutput = Descriptor(adopting: main.childOutput)
        childErrors = Descriptor(adopting: errors.writing)
        ownInput = main.ownInput < 0 ? nil : Descriptor(adopting: main.ownInput)
        ownOutput = Descriptor(adopting: main.ownOutput)
        ownErrors = Descriptor(adopting: errors.reading)
        terminal = main.terminal
    }

    private struct MainStreams {
        let childInput: CInt
        let childOutput: CInt
        var ownInput: CInt = -1
        let ownOutput: CInt
        var terminal: String?
    }

    private static func mainStreams(
        _ input: RunningProcess.Input
    ) throws(SystemError) -> MainStreams {
        if case .terminal = input {
            let (control, name) = try openTerminal()
            // The child's end stays open here until the child has its own: without one, reading
            // the control side fails.
            return MainStreams(
                childInput: try open("/dev/null", O_RDONLY),
                childOutput: try open(name, O_RDWR | O_NOCTTY),
                ownInput: control,
                ownOutput: try systemCall("fcntl") { fcntl(control, F_DUPFD_CLOEXEC, 0) },
                terminal: name
            )
        }
        let output = try pipe()
        switch input {
        case .pipe:
            let input = try pipe()
            return MainStreams(
                childInput: input.reading,
                childOutput: output.writing,
                ownInput: input.writing,
                ownOutput: output.reading
            )
        case .file(let path):
            return MainStreams(
                childInput: try open(path, O_RDONLY),
                childOutput: output.writing,
                ownOutput: output.reading
            )
        case .none, .terminal:
            return MainStreams(
                childInput: try open("/dev/null", O_RDONLY),
                childOutput: output.writing,
                ownOutput: output.reading
            )
        }
    }

    /// Starts the program.
    ///
    /// The corresponding C function is `posix_spawn`.
    borrowing func spawn(
        _ program: String,
        _ arguments: [String],
        _ environment: [String: String],
        _ directory: String?
    ) throws(SystemError) -> pid_t {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        if let terminal {
            // Opened by the child as the first thing of its new session: its controlling terminal.
            unsafe posix_spawn_file_actions_addopen(&actions, 0, terminal, O_RDWR, 0)
            unsafe posix_spawn_file_actions_adddup2(&actions, 0, 1)
        } else {
            unsafe posix_spawn_file_actions_adddup2(&actions, childInput.rawValue, 0)
            unsafe posix_spawn_file_actions_adddup2(&actions, childOutput.rawValue, 1)
        }
        unsafe posix_spawn_file_actions_adddup2(&actions, childErrors.rawValue, 2)
        // Whatever other tests have open is not the program's.
        unsafe posix_spawn_file_actions_addclosefrom_np(&actions, 3)
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        Self.startAfresh(&attributes, newSession: terminal != nil)
        var pid: pid_t = 0
        let variables = Self.environment(adding: environment)
        var command = [program] + arguments
        if let directory { command = ["/usr/bin/env", "-C", directory] + command }
        let path = command[0]
        let status = unsafe withCStrings(command) { argv in
            unsafe withCStrings(variables) { envp in
                unsafe posix_spawn(&pid, path, &actions, &attributes, argv, envp)
            }
        }
        guard status == 0 else {
            throw SystemError(call: "posix_spawn", errno: Errno(rawValue: status))
        }
        return pid
    }

    /// Closes the program's ends and gives up ownership of the test's.
    consuming func keepOwnEnds() -> (writing: CInt, reading: (output: CInt, errors: CInt)) {
        var writing: CInt = -1
        if let own = ownInput { writing = own.release() }
        return (writing, (ownOutput.release(), ownErrors.release()))
    }

    // The tests' own signal mask and ignored signals are not to be the program's.
    private static func startAfresh(_ attributes: inout posix_spawnattr_t, newSession: Bool) {
        var none = sigset_t()
        var all = sigset_t()
        unsafe sigemptyset(&none)
        unsafe sigfillset(&all)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setsigdefault(&attributes, &all)
        let session: CInt = newSession ? 0x80 : 0  // POSIX_SPAWN_SETSID
        let flags = CInt(POSIX_SPAWN_SETSIGMASK) | CInt(POSIX_SPAWN_SETSIGDEF) | session
        unsafe posix_spawnattr_setflags(&attributes, Int16(flags))
    }

    private static func environment(adding changes: [String: String]) -> [String] {
        let inherited = readFile("/proc/self/environ").split(separator: 0)
        let kept = inherited.map { String(decoding: $0, as: UTF8.self) }.filter { variable in
            let name = String(variable.prefix { $0 != "=" })
            return changes[name] == nil && !isOfUser(name)
        }
        return kept + changes.map { "\($0.key)=\($0.value)" }
    }

    // What whoever runs the tests has set for a server, a service manager or a terminal of theirs.
    private static func isOfUser(_ name: String) -> Bool {
        ["ECHO_", "LISTEN_", "WATCHDOG_", "LC_"].contains { name.hasPrefix($0) }
            || [
                "NOTIFY_SOCKET", "JOURNAL_STREAM", "INVOCATION_ID", "LANG", "LANGUAGE", "NO_COLOR",
                "COLUMNS", "LINES", "EVENT_SHOW_METHOD",
            ].contains(name)
    }

    private static func pipe() throws(SystemError) -> (reading: CInt, writing: CInt) {
        var ends: [CInt] = [-1, -1]
        try systemCall("pipe2") { unsafe pipe2(&ends, O_CLOEXEC) }
        return (ends[0], ends[1])
    }

    private static func open(_ path: String, _ flags: CInt) throws(SystemError) -> CInt {
        try systemCall("open") { unsafe Glibc.open(path, flags | O_CLOEXEC) }
    }

    // As `posix_openpt`, `unlockpt` and `ptsname` do it, ioctl_tty(2).
    private static func openTerminal() throws(SystemError) -> (control: CInt, name: String) {
        let control = try open("/dev/ptmx", O_RDWR | O_NOCTTY)
        var value: CInt = 0
        try systemCall("ioctl") { unsafe clinux_ioctl_int(control, 0x4004_5431, &value) }
        try systemCall("ioctl") { unsafe clinux_ioctl_int(control, 0x8004_5430, &value) }
        return (control, "/dev/pts/\(value)")
    }
}

/// Calls `body` with a null-terminated array of C strings.
private func withCStrings<Result>(
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
