import Glibc

extension SocketAddress {
    /// Why binding or connecting to it failed, where the kernel's words would mislead.
    ///
    /// - Parameter error: what `bind` or `connect` failed with.
    /// - Returns: a better text; `nil` where the kernel's words suffice.
    package func explanation(of error: Errno) -> String? {
        switch error.rawValue {
        case EINVAL where lacksInterface:
            return "a link-local address needs its network interface: "
                + "write [\(host)%INTERFACE]:\(port ?? 0)"
        case EADDRINUSE, ECONNREFUSED:
            guard case .unix(let path) = self, path.utf8.first != 0 else { return nil }
            return Self.kindOfFile(path).map { "there is \($0), not a socket" }
        default:
            return nil
        }
    }

    // What kind of file is there instead of a socket.
    private static func kindOfFile(_ path: String) -> String? {
        var status = stat()
        guard unsafe stat(path, &status) == 0 || lstat(path, &status) == 0 else { return nil }
        return switch status.st_mode & S_IFMT {
        case S_IFSOCK: nil
        case S_IFDIR: "a folder"
        case S_IFLNK: "a link that leads nowhere"
        default: "a file"
        }
    }
}
