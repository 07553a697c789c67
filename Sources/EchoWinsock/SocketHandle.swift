/// A program's name for a socket: a slot of a table, and which of that slot's successive sockets it
/// is.
///
/// It is never a descriptor's number. Once the socket is closed, its handle never names anything
/// again: each use fails with `ENOTSOCK` (CO-1, PF-9). The corresponding Winsock type is `SOCKET`.
@usableFromInline
package struct SocketHandle: Hashable, Sendable {
    /// The slot.
    @usableFromInline package let slot: UInt32
    /// Which of the slot's successive sockets, modulo 2³².
    @usableFromInline package let generation: UInt32

    /// A handle from its parts.
    @inlinable
    package init(slot: UInt32, generation: UInt32) {
        self.slot = slot
        self.generation = generation
    }

    /// A handle from ``word``.
    @inlinable
    package init(word: UInt64) {
        self.init(slot: UInt32(truncatingIfNeeded: word), generation: UInt32(word >> 32))
    }

    /// Both parts in one word, as `epoll_event.data` carries them.
    @inlinable
    package var word: UInt64 { UInt64(generation) << 32 | UInt64(slot) }

    /// A handle that never names a socket (`INVALID_SOCKET`).
    package static let none = SocketHandle(word: .max)
}
