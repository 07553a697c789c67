import CEchoLinux
import Glibc

/// A descriptor that becomes readable when urgent data arrives on a socket.
///
/// libevent 2.1 has no event for urgent data: a byte out of band is `EPOLLPRI` alone, which it
/// drops. An inner epoll descriptor that watches only that is itself an ordinary readable
/// descriptor, under any of libevent's methods. Edge-triggered: a level would repeat until the
/// byte is read (PF-11).
package struct UrgentReadiness: ~Copyable {
    private let epoll: Descriptor

    /// Starts watching a socket, which must outlive this value.
    package init(of socket: borrowing Socket) throws(SystemError) {
        let epoll = Descriptor(
            adopting: try systemCall("epoll_create1") { epoll_create1(CInt(EPOLL_CLOEXEC)) }
        )
        var event = unsafe epoll_event()
        unsafe event.events = EPOLLPRI.rawValue | EPOLLET.rawValue
        let (inner, outer) = (epoll.rawValue, socket.number)
        try systemCall("epoll_ctl") { unsafe epoll_ctl(inner, EPOLL_CTL_ADD, outer, &event) }
        self.epoll = epoll
    }

    /// The descriptor to watch for readability.
    package var number: CInt { epoll.rawValue }

    /// Takes the arrival that made the descriptor readable.
    ///
    /// - Returns: whether there was one; a hang-up or an error, which the kernel always adds, is
    ///   none.
    package func take() -> Bool {
        var event = unsafe epoll_event()
        let count = transferCall { unsafe Int(epoll_wait(epoll.rawValue, &event, 1, 0)) }
        return unsafe count > 0 && event.events & EPOLLPRI.rawValue != 0
    }
}
