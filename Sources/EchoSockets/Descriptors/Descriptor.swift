import Glibc

/// The sole owner of an open file descriptor.
///
/// Noncopyable: a descriptor is closed exactly once, when its owner is destroyed, and cannot be
/// used afterwards. Every descriptor in this package is owned by one from birth.
package struct Descriptor: ~Copyable, Sendable {
    /// The number, for as long as this owner lives.
    ///
    /// Do not store it elsewhere.
    package let rawValue: CInt

    /// Takes ownership of an open descriptor.
    package init(adopting rawValue: CInt) {
        self.rawValue = rawValue
    }

    deinit {
        if ScreenedSockets.remove(rawValue) { return ScreenedSockets.close(rawValue) }
        // Not repeated on EINTR: Linux has released the number by then, close(2).
        _ = close(rawValue)
    }

    /// Gives up ownership without closing.
    package consuming func release() -> CInt {
        let number = rawValue
        discard self
        return number
    }

    /// Sets `FD_CLOEXEC`, for descriptors opened elsewhere.
    package func setCloseOnExec() throws(SystemError) {
        try systemCall("fcntl") { fcntl(rawValue, F_SETFD, FD_CLOEXEC) }
    }

    /// Another descriptor of the same open file, close-on-exec.
    ///
    /// The corresponding C function is `fcntl` with `F_DUPFD_CLOEXEC`.
    package func duplicate() throws(SystemError) -> Descriptor {
        Descriptor(adopting: try systemCall("fcntl") { fcntl(rawValue, F_DUPFD_CLOEXEC, 0) })
    }

    /// Sets or clears `O_NONBLOCK`.
    package func setNonBlocking(_ enabled: Bool) throws(SystemError) {
        let flags = try systemCall("fcntl") { fcntl(rawValue, F_GETFL) }
        let wanted = enabled ? flags | O_NONBLOCK : flags & ~O_NONBLOCK
        if wanted != flags {
            try systemCall("fcntl") { fcntl(rawValue, F_SETFL, wanted) }
        }
    }
}
