import Glibc

/// The file that a bound Unix socket leaves in the file system; removed when its owner goes away,
/// unless somebody has put another in its place.
struct SocketFile: ~Copyable, Sendable {
    private let path: String
    private let device: dev_t
    private let inode: ino_t

    /// Takes charge of the file that `bind` has just made; `nil` if the address has none.
    init?(_ address: SocketAddress) {
        guard case .unix(let path) = address, path.utf8.first != 0,
            let status = Self.status(path)
        else { return nil }
        self.path = path
        device = status.st_dev
        inode = status.st_ino
    }

    deinit {
        if let status = Self.status(path), status.st_dev == device, status.st_ino == inode {
            unsafe unlink(path)
        }
    }

    /// Binds, replacing a socket file that no process listens on any more.
    static func bind(_ socket: borrowing Socket, to address: SocketAddress) throws(SystemError) {
        do {
            try Listener.bind(socket, to: address)
        } catch {
            guard error.errno.rawValue == EADDRINUSE, case .unix(let path) = address,
                isStale(address, path)
            else { throw error }
            unsafe unlink(path)
            try Listener.bind(socket, to: address)
        }
    }

    // Alive is whatever does not refuse: a full backlog gives EAGAIN, a forbidden one EACCES.
    private static func isStale(_ address: SocketAddress, _ path: String) -> Bool {
        guard let status = Self.status(path), status.st_mode & S_IFMT == S_IFSOCK,
            let probe = try? Socket(family: AF_UNIX)
        else { return false }
        do {
            _ = try probe.connect(to: address)
            return false
        } catch {
            return error.errno.rawValue == ECONNREFUSED
        }
    }

    private static func status(_ path: String) -> stat? {
        var status = stat()
        return unsafe lstat(path, &status) == 0 ? status : nil
    }
}
