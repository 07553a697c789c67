/// What can happen to a socket: the `FD_` values of `winsock2.h` (N-3), with their Linux sources.
@usableFromInline
package struct NetworkEvents: OptionSet, Hashable, Sendable {
    /// The bits, as `WSAAsyncSelect` and `WSAEventSelect` take them.
    @usableFromInline package let rawValue: UInt16

    /// A set from its bits.
    @inlinable
    package init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// `FD_READ`: bytes have been received.
    ///
    /// Source: a read-ahead after `EPOLLIN`, or `FIONREAD` where bytes are spliced; never for an
    /// end.
    @inlinable package static var read: NetworkEvents { NetworkEvents(rawValue: 0x01) }
    /// `FD_WRITE`: there is room to send.
    ///
    /// Source: the connection was made, or `EPOLLOUT` after a send that did not fit (AS-7).
    @inlinable package static var write: NetworkEvents { NetworkEvents(rawValue: 0x02) }
    /// `FD_OOB`: urgent data has arrived.
    ///
    /// Source: `EPOLLPRI`; never while `SO_OOBINLINE` is on (AS-12).
    @inlinable package static var outOfBand: NetworkEvents { NetworkEvents(rawValue: 0x04) }
    /// `FD_ACCEPT`: a connection is queued.
    ///
    /// Source: `EPOLLIN` of a listening socket.
    @inlinable package static var accept: NetworkEvents { NetworkEvents(rawValue: 0x08) }
    /// `FD_CONNECT`: a connection attempt has ended.
    ///
    /// Source: `EPOLLOUT`, the error from `SO_ERROR`.
    @inlinable package static var connect: NetworkEvents { NetworkEvents(rawValue: 0x10) }
    /// `FD_CLOSE`: the peer has ended the connection and all it sent has been read.
    ///
    /// Source: a read that gives 0 or an error (AS-8).
    @inlinable package static var close: NetworkEvents { NetworkEvents(rawValue: 0x20) }
    /// `FD_QOS`: the quality of service has changed.
    ///
    /// Never raised: Linux has no such notification.
    @inlinable package static var qos: NetworkEvents { NetworkEvents(rawValue: 0x40) }
    /// `FD_GROUP_QOS`: reserved by Winsock.
    ///
    /// Never raised, there or here.
    @inlinable package static var groupQoS: NetworkEvents { NetworkEvents(rawValue: 0x80) }
    /// `FD_ROUTING_INTERFACE_CHANGE`: routes have changed.
    ///
    /// Source: `RTM_NEWROUTE` and `RTM_DELROUTE` of rtnetlink(7).
    @inlinable package static var routingInterfaceChange: NetworkEvents {
        NetworkEvents(rawValue: 0x100)
    }
    /// `FD_ADDRESS_LIST_CHANGE`: the local addresses have changed.
    ///
    /// Source: `RTM_NEWADDR` and `RTM_DELADDR` of rtnetlink(7).
    @inlinable package static var addressListChange: NetworkEvents {
        NetworkEvents(rawValue: 0x200)
    }

    /// All of them.
    @inlinable package static var all: NetworkEvents { NetworkEvents(rawValue: 0x3FF) }

    /// The order of those that happen in the same moment (AS-9).
    package static let deliveryOrder: [NetworkEvents] = [
        .connect, .accept, .outOfBand, .read, .write, .close, .routingInterfaceChange,
        .addressListChange,
    ]

    /// Whether it is exactly one event.
    @inlinable
    package var isSingle: Bool { rawValue != 0 && rawValue & (rawValue - 1) == 0 }
}

// The set's algebra on the bits themselves: what the standard library has for all option sets is
// not specialised in other modules, and costs some hundred instructions there.
extension NetworkEvents {
    /// A set of events.
    @inlinable
    package init(arrayLiteral elements: NetworkEvents...) {
        self.init(rawValue: elements.reduce(0) { $0 | $1.rawValue })
    }

    /// An empty set.
    @inlinable
    package init() {
        self.init(rawValue: 0)
    }

    /// No events.
    @inlinable package static var none: NetworkEvents { NetworkEvents(rawValue: 0) }

    /// Whether it has no events.
    @inlinable package var isEmpty: Bool { rawValue == 0 }

    /// Whether it has all of some events.
    @inlinable
    package func contains(_ other: NetworkEvents) -> Bool {
        rawValue & other.rawValue == other.rawValue
    }

    /// Whether it has none of some events.
    @inlinable
    package func isDisjoint(with other: NetworkEvents) -> Bool { rawValue & other.rawValue == 0 }

    /// The events of both.
    @inlinable
    package func union(_ other: NetworkEvents) -> NetworkEvents {
        NetworkEvents(rawValue: rawValue | other.rawValue)
    }

    /// The events that are in both.
    @inlinable
    package func intersection(_ other: NetworkEvents) -> NetworkEvents {
        NetworkEvents(rawValue: rawValue & other.rawValue)
    }

    /// The events that are not in the other.
    @inlinable
    package func subtracting(_ other: NetworkEvents) -> NetworkEvents {
        NetworkEvents(rawValue: rawValue & ~other.rawValue)
    }

    /// Adds events.
    @inlinable
    package mutating func formUnion(_ other: NetworkEvents) { self = union(other) }

    /// Takes events out.
    @inlinable
    package mutating func subtract(_ other: NetworkEvents) { self = subtracting(other) }
}
