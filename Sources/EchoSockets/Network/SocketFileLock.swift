import Glibc

/// The lock on the file of a Unix socket: a file of its own beside it, `PATH.lock`, that is there
/// only while the lock is held.
///
/// Destroying the owner releases the lock and removes the file; a killed process leaves the file,
/// which does no harm. The corresponding C function is `flock`.
struct SocketFileLock: ~Copyable {
    private let path: String
    private let descriptor: Descriptor?

    /// Takes the lock.
    ///
    /// - Parameters:
    ///   - path: the file of the Unix socket.
    ///   - limit: how long to wait for another process that has the lock.
    /// - Throws: `EADDRINUSE` if that process kept it all the time.
    init(beside path: String, within limit: Duration) throws(SystemError) {
        let name = path + ".lock"
        descriptor = try Self.open(name, until: .now + limit)
        self.path = name
    }

    // `nil` where no file can be made or locked.
    private static func open(
        _ name: String,
        until end: MonotonicTime
    ) throws(SystemError) -> Descriptor? {
        let flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK
        while true {
            let number = transferCall { unsafe Int(Glibc.open(name, flags, 0o600)) }
            // The folder is not writable: nothing can be bound there either.
            guard number >= 0 else { return nil }
            let opened = Descriptor(adopting: CInt(number))
            let result = transferCall { Int(flock(CInt(number), LOCK_EX | LOCK_NB)) }
            if result == 0 {
                if isStill(opened, name) { return opened }
                continue
            }
            guard result == -Int(EWOULDBLOCK) else { return nil }
            if .now >= end {
                throw SystemError(call: "flock", errno: Errno(rawValue: EADDRINUSE))
            }
            _ = poll(nil, 0, 5)
        }
    }

    deinit {
        // Before it is released: a waiting process notices, and creates a new one.
        if isHeld { unsafe unlink(path) }
    }

    /// Whether there is a lock; there is none where files cannot be created or locked.
    var isHeld: Bool {
        switch descriptor {
        case .some: true
        case .none: false
        }
    }

    // Another process may have removed it since it was opened.
    private static func isStill(_ file: borrowing Descriptor, _ path: String) -> Bool {
        var (own, there) = (stat(), stat())
        return unsafe fstat(file.rawValue, &own) == 0 && lstat(path, &there) == 0
            && own.st_dev == there.st_dev && own.st_ino == there.st_ino
    }
}

/// The Unix sockets of all processes that the kernel lists, proc(5).
enum BoundUnixSockets {
    /// Whether a socket is bound to a path, and neither listens nor is connected: its owner is
    /// between `bind` and `listen`.
    static func contain(_ path: String) -> Bool {
        // Names may hold anything but NUL: a line ends at its byte, whatever Unicode makes of it.
        guard let bytes = KernelFile.bytes("/proc/net/unix", upTo: 256 << 20) else { return false }
        return bytes.split(separator: UInt8(ascii: "\n")).contains { line in
            isBetween(String(decoding: line, as: UTF8.self), path)
        }
    }

    // Number, references, protocol, flags, type, state, inode, path.
    private static func isBetween(_ line: String, _ path: String) -> Bool {
        let fields = line.split(separator: " ", maxSplits: 7)
        guard fields.count == 8, fields[7] == path, let flags = UInt32(fields[3], radix: 16)
        else { return false }
        let listens: UInt32 = 1 << 16
        return flags & listens == 0 && fields[4] == "0001" && fields[5] == "01"
    }
}
