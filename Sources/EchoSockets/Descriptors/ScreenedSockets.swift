import CEchoLinux
import Glibc
import Synchronization

/// The Unix sockets of this process whose peers may pass descriptors, because the kernel cannot
/// refuse them.
///
/// Each receive first peeks (`MSG_PEEK`), which leaves descriptors in the queue: a connection that
/// passes any fails with `EPERM`. A separate thread discards what is unread when the connection is
/// closed, descriptors included. Any thread; the owner of a descriptor inserts and removes its
/// number.
enum ScreenedSockets {
    private static let isInUse = Atomic<Bool>(false)
    private static let members = DescriptorSet()

    static func insert(_ number: CInt) {
        members.insert(number)
        isInUse.store(true, ordering: .releasing)
    }

    static func contains(_ number: CInt) -> Bool {
        isInUse.load(ordering: .acquiring) && members.contains(number)
    }

    /// Removes a number.
    ///
    /// - Returns: whether it was there.
    static func remove(_ number: CInt) -> Bool {
        isInUse.load(ordering: .acquiring) && members.remove(number)
    }

    /// Receives as recv(2) does; a message with descriptors stays queued, and fails with `EPERM`.
    static func receive(
        from number: CInt,
        _ start: UnsafeMutableRawPointer?,
        _ size: Int,
        _ flags: CInt
    ) -> Int {
        var vector = unsafe iovec(iov_base: start, iov_len: size)
        var message = unsafe msghdr()
        let seen = unsafe withUnsafeMutablePointer(to: &vector) { vector in
            unsafe message.msg_iov = vector
            unsafe message.msg_iovlen = 1
            return unsafe recvmsg(number, &message, flags | CInt(MSG_PEEK))
        }
        guard seen > 0 else { return seen }
        if unsafe message.msg_flags & CInt(MSG_CTRUNC) != 0 {
            errno = EPERM
            return -1
        }
        // No more than was peeked at: later messages may carry descriptors.
        return unsafe recv(number, start, seen, flags)
    }

    /// Closes a removed socket, without waiting for what a peer passed.
    static func close(_ number: CInt) {
        if !isListening(number) {
            // No more can be queued; and no descriptor is passed without a byte, unix(7).
            _ = Glibc.shutdown(number, CInt(SHUT_RD))
            if unreadByteCount(of: number) == 0 {
                _ = Glibc.close(number)
                return
            }
        }
        PatientCloser.close(number)
    }

    private static func isListening(_ number: CInt) -> Bool {
        var value: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        return unsafe getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) == 0
            && value != 0
    }
}

/// Receives from any socket: what recv(2) returns, with its `errno`.
///
/// Every receive on a connection uses this function.
@inline(__always)
package func receiveBytes(
    from number: CInt,
    _ start: UnsafeMutableRawPointer?,
    _ size: Int,
    _ flags: CInt
) -> Int {
    unsafe ScreenedSockets.contains(number)
        ? ScreenedSockets.receive(from: number, start, size, flags)
        : recv(number, start, size, flags)
}

/// The number of received bytes that wait to be read (`FIONREAD`, tcp(7), unix(7)); `nil` if the
/// socket does not report it.
func unreadByteCount(of number: CInt) -> Int? {
    var value: CInt = 0
    guard unsafe clinux_ioctl_int(number, clinux_FIONREAD(), &value) == 0 else { return nil }
    return Int(value)
}
