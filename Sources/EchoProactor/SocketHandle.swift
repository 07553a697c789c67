import EchoSockets

/// A socket that a proactor owns.
///
/// Not a descriptor number: once the socket is closed, its handle names nothing for ever, and every
/// call with it gives `ENOTSOCK` (CO-1, PF-9). The corresponding Winsock type is `SOCKET`.
package struct SocketHandle: Hashable, Sendable {
    let address: SlotAddress

    init(_ address: SlotAddress) {
        self.address = address
    }

    init(word: UInt64) {
        address = SlotAddress(word: word)
    }

    /// The handle in 64 bits.
    package var word: UInt64 { address.word }

    /// A handle that never names a socket.
    package static var none: SocketHandle { SocketHandle(word: .max) }
}

/// How a socket is treated; given when it is associated.
package struct AssociationOptions: OptionSet, Sendable {
    /// The bits.
    package let rawValue: UInt8

    /// A set from its bits.
    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// An operation that succeeds at once gives no packet (CP-7).
    ///
    /// The corresponding Winsock flag is `FILE_SKIP_COMPLETION_PORT_ON_SUCCESS`.
    package static let skipsPacketOnSuccess = AssociationOptions(rawValue: 1)
    /// Receives until the kernel says that there is no more, instead of taking a short receive for
    /// a sign of it (PR-3).
    ///
    /// For Unix sockets over which peers pass descriptors.
    package static let receivesUntilWouldBlock = AssociationOptions(rawValue: 2)
}
