import Glibc
import Synchronization

/// Who may connect to a Unix socket that has a file: the file's permissions, unix(7).
package struct SocketFileAccess: Hashable, Sendable {
    /// The permission bits, from 0 to 0o777; `nil` leaves it to the process's umask.
    package var mode: UInt32?
    /// The group; `nil` leaves it to the kernel.
    package var group: UInt32?

    /// Permissions; those not given are left to the system.
    package init(mode: UInt32? = nil, group: UInt32? = nil) {
        self.mode = mode
        self.group = group
    }
}

/// The file that a bound Unix socket leaves in the file system; removed when its owner is
/// destroyed, unless another file has taken its place.
///
/// While a server checks, binds and listens, and while it removes its file, it holds a lock beside
/// the file (``SocketFileLock``): no other server can mistake it for stale, or remove the wrong
/// file.
struct SocketFile: ~Copyable, Sendable {
    private let path: String
    private let device: dev_t
    private let inode: ino_t
    private let isRemoved = Atomic<Bool>(false)

    private init?(_ path: String) {
        guard let status = Self.status(path) else { return nil }
        self.path = path
        device = status.st_dev
        inode = status.st_ino
    }

    deinit {
        remove()
    }

    /// Removes the file, if it is still the socket's own.
    ///
    /// Call it while the socket is open: until it closes, no other file has its inode number.
    func remove() {
        guard !isRemoved.exchange(true, ordering: .relaxed) else { return }
        // The next server replaces a stale file, which is better than removing another server's.
        guard let lock = try? SocketFileLock(beside: path, within: .seconds(1)) else { return }
        unlinkOwn()
        _ = consume lock
    }

    private func unlinkOwn() {
        isRemoved.store(true, ordering: .relaxed)
        if let status = Self.status(path), status.st_dev == device, status.st_ino == inode {
            unsafe unlink(path)
        }
    }

    /// Binds and listens, replacing a socket file that no process listens on any more.
    ///
    /// - Returns: the file; `nil` for an abstract name.
    /// - Throws: `EADDRINUSE` if a server is alive there, or keeps starting there.
    static func open(
        _ socket: borrowing Socket,
        at address: SocketAddress,
        backlog: CInt,
        _ access: SocketFileAccess
    ) throws(SystemError) -> SocketFile? {
        guard case .unix(let path) = address, path.utf8.first != 0 else {
            try socket.bind(to: address)
            try socket.listen(backlog)
            return nil
        }
        let lock = try SocketFileLock(beside: path, within: .seconds(30))
        access.restrict(socket)
        try bind(socket, to: address, path, mayReplace: lock.isHeld)
        let file = SocketFile(path)
        do {
            try access.admit(path)
            try socket.listen(backlog)
        } catch {
            file?.unlinkOwn()
            throw error
        }
        _ = consume lock
        return file
    }

    private static func bind(
        _ socket: borrowing Socket,
        to address: SocketAddress,
        _ path: String,
        mayReplace: Bool
    ) throws(SystemError) {
        do {
            try socket.bind(to: address)
        } catch {
            guard error.errno.rawValue == EADDRINUSE, mayReplace, isStale(address, path)
            else { throw error }
            unsafe unlink(path)
            try socket.bind(to: address)
        }
    }

    // A server is alive if it does not refuse: a full backlog gives EAGAIN, a forbidden socket
    // EACCES. A socket that is bound and does not listen yet counts as well.
    private static func isStale(_ address: SocketAddress, _ path: String) -> Bool {
        guard let status = Self.status(path), status.st_mode & S_IFMT == S_IFSOCK,
            let probe = try? Socket(family: AF_UNIX)
        else { return false }
        do {
            _ = try probe.connect(to: address)
            return false
        } catch {
            return error.errno.rawValue == ECONNREFUSED && !BoundUnixSockets.contain(path)
        }
    }

    private static func status(_ path: String) -> stat? {
        var status = stat()
        return unsafe lstat(path, &status) == 0 ? status : nil
    }
}

extension SocketFileAccess {
    /// Ensures that the file never admits more than it should: `bind` gives it the permissions of
    /// the socket itself, less those in the umask.
    func restrict(_ socket: borrowing Socket) {
        guard mode != nil || group != nil else { return }
        // Only the owner until the group is set.
        let bits = (mode ?? 0o777) & (group == nil ? 0o777 : 0o700)
        _ = fchmod(socket.number, bits)
    }

    /// Sets the file's group and permissions.
    func admit(_ path: String) throws(SystemError) {
        if let group {
            try systemCall("chown") { unsafe lchown(path, uid_t.max, group) }
        }
        if let mode { try systemCall("chmod") { unsafe chmod(path, mode) } }
    }
}
