package import EchoSockets

/// An error number or none, in two bytes: there are several for each of many thousand sockets.
package struct CompactErrno: Hashable, Sendable {
    // Linux's numbers end at 4095 (MAX_ERRNO).
    @usableFromInline let rawValue: Int16

    /// No error.
    @inlinable
    package init() {
        rawValue = 0
    }

    /// That number; `nil` for none.
    package init(_ errno: Errno?) {
        rawValue = errno.map { Int16(truncatingIfNeeded: $0.rawValue) } ?? 0
    }

    /// The number, if there is one.
    package var errno: Errno? { rawValue == 0 ? nil : Errno(rawValue: CInt(rawValue)) }
}
