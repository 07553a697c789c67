/// What can happen to a socket: the `FD_` values of `winsock2.h` (N-3), each with its source on Linux.
package struct NetworkEvents: OptionSet, Hashable, Sendable {
    /// The bits, as `WSAAsyncSelect` and `WSAEventSelect` take them.
    package let rawValue: UInt16

    /// A set from its bits.
    package init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// `FD_READ`: bytes have been received.
    ///
    /// Source: a read-ahead after `EPOLLIN`; never for an end.
    package static let read = NetworkEvents(rawValue: 0x01)
    /// `FD_WRITE`: there is room to send.
    ///
    /// Source: the connection was made, or `EPOLLOUT` after a send that did not fit (AS-7).
    package static let write = NetworkEvents(rawValue: 0x02)
    /// `FD_OOB`: urgent data has arrived.
    ///
    /// Source: `EPOLLPRI`; never while `SO_OOBINLINE` is on (AS-12).
    package static let outOfBand = NetworkEvents(rawValue: 0x04)
    /// `FD_ACCEPT`: a connection is queued.
    ///
    /// Source: `EPOLLIN` of a listening socket.
    package static let accept = NetworkEvents(rawValue: 0x08)
    /// `FD_CONNECT`: a connection attempt has ended.
    ///
    /// Source: `EPOLLOUT`, the error from `SO_ERROR`.
    package static let connect = NetworkEvents(rawValue: 0x10)
    /// `FD_CLOSE`: the peer has ended the connection and all it sent has been read.
    ///
    /// Source: a read that gives 0 or an error (AS-8).
    package static let close = NetworkEvents(rawValue: 0x20)
    /// `FD_QOS`: the quality of service has changed.
    ///
    /// Never raised: Linux has no such notification.
    package static let qos = NetworkEvents(rawValue: 0x40)
    /// `FD_GROUP_QOS`: reserved by Winsock.
    ///
    /// Never raised, neither there nor here.
    package static let groupQoS = NetworkEvents(rawValue: 0x80)
    /// `FD_ROUTING_INTERFACE_CHANGE`: routes have changed.
    ///
    /// Source: `RTM_NEWROUTE` and `RTM_DELROUTE` of rtnetlink(7).
    package static let routingInterfaceChange = NetworkEvents(rawValue: 0x100)
    /// `FD_ADDRESS_LIST_CHANGE`: the local addresses have changed.
    ///
    /// Source: `RTM_NEWADDR` and `RTM_DELADDR` of rtnetlink(7).
    package static let addressListChange = NetworkEvents(rawValue: 0x200)

    /// How many there are (`FD_MAX_EVENTS`).
    package static let count = 10

    /// All of them.
    package static let all = NetworkEvents(rawValue: 0x3FF)

    /// The order of those that happen in the same moment (AS-9).
    package static let deliveryOrder: [NetworkEvents] = [
        .connect, .accept, .outOfBand, .read, .write, .close, .routingInterfaceChange,
        .addressListChange,
    ]

    /// Whether it is exactly one event.
    package var isSingle: Bool { rawValue != 0 && rawValue & (rawValue - 1) == 0 }
}
