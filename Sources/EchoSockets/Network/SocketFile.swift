import Glibc
import Synchronization

/// Who may connect to a Unix socket that has a file: the file's permissions, unix(7).
package struct SocketFileAccess: Hashable, Sendable {
    /// The permission bits, from 0 to 0o777; `nil`: what the process's umask leaves.
    package var mode: UInt32?
    /// The group; `nil`: what the kernel gives a new file.
    package var group: UInt32?

    /// Permissions; whatever is not given is left to the system.
    package init(mode: UInt32? = nil, group: UInt32? = nil) {
        self.mode = mode
        self.group = group
    }
}

/// The file that a bound Unix socket leaves in the file system; removed when its owner goes away,
/// unless somebody has put another in its place.
///
/// While a server looks, binds and listens, and while it removes its file, it holds a lock beside
/// the file (``SocketFileLock``): no other one can take it for stale, or remove the wrong file.
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
    /// To be called while the socket is open: until then no other file has its number.
    func remove() {
        guard !isRemoved.exchange(true, ordering: .relaxed) else { return }
        // A stale file is replaced by whoever comes next: better than somebody else's removed.
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
    /// - Throws: `EADDRINUSE` if a server is alive there, or goes on starting there for long.
    static func open(
        _ socket: borrowing Socket,
        at address: SocketAddress,
        backlog: CInt,
        _ access: SocketFileAccess
    ) throws(SystemError) -> SocketFile? {
        guard case .unix(let path) = address, path.utf8.first != 0 else {
            try Listener.bind(socket, to: address)
            try Listener.listen(socket, backlog)
            return nil
        }
        let lock = try SocketFileLock(beside: path, within: .seconds(30))
        access.restrict(socket)
        try bind(socket, to: address, path, mayReplace: lock.isHeld)
        let file = SocketFile(path)
        do {
            try access.admit(path)
            try Listener.listen(socket, backlog)
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
            try Listener.bind(socket, to: address)
        } catch {
            guard error.errno.rawValue == EADDRINUSE, mayReplace, isStale(address, path)
            else { throw error }
            unsafe unlink(path)
            try Listener.bind(socket, to: address)
        }
    }

    // Alive is whatever does not refuse: a full backlog gives EAGAIN, a forbidden one EACCES; and
    // what is bound and does not listen yet.
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
    /// Sees to it that the file never lets more in than it is to: `bind` gives it the permissions
    /// of the socket itself, without those that the umask takes away.
    func restrict(_ socket: borrowing Socket) {
        guard mode != nil || group != nil else { return }
        // Nobody but the owner before the group is known.
        let bits = (mode ?? 0o777) & (group == nil ? 0o777 : 0o700)
        _ = fchmod(socket.number, bits)
    }

    /// Gives the file its group and its permissions.
    func admit(_ path: String) throws(SystemError) {
        if let group {
            try systemCall("chown") { unsafe lchown(path, uid_t.max, group) }
        }
        if let mode { try systemCall("chmod") { unsafe chmod(path, mode) } }
    }
}
