package import EchoSockets
package import EchoWinsock

/// A completion: which operation on which socket ended, and how.
///
/// The counterpart of `OVERLAPPED_ENTRY`. A plain value that keeps nothing alive: the owner of its
/// socket and the received bytes are valid until its ``CompletionPort/Worker`` dequeues again.
@safe
@usableFromInline
package struct Packet {
    /// The socket; stale if it has been closed since.
    package let socket: SocketHandle
    /// What was posted; 0 for the packet of an operation (CP-6).
    package let key: UInt64
    /// The bytes moved.
    ///
    /// A successful receive of 0 bytes is the peer's graceful end.
    package let byteCount: Int
    let number: CInt
    /// What ended.
    package let kind: OperationKind
    /// Not a completion but a socket's place in the queue, with what the kernel said of it.
    let isTurn: Bool
    let lease: UnsafeMutableRawPointer?
    @usableFromInline let owner: Unmanaged<AnyObject>?

    /// A completion of an operation of a socket.
    init(
        of kind: OperationKind,
        on socket: SocketHandle,
        _ owner: Unmanaged<AnyObject>?,
        byteCount: Int = 0,
        number: CInt = 0,
        lease: UnsafeMutableRawPointer? = nil
    ) {
        self.socket = socket
        key = 0
        self.byteCount = byteCount
        self.number = number
        self.kind = kind
        isTurn = false
        unsafe self.lease = lease
        unsafe self.owner = owner
    }

    /// A packet that was posted by hand.
    init(posted key: UInt64, byteCount: Int) {
        socket = .none
        self.key = key
        self.byteCount = byteCount
        number = 0
        kind = .posted
        isTurn = false
        unsafe lease = nil
        unsafe owner = nil
    }

    /// A socket's turn.
    init(turnOf socket: SocketHandle, readiness: Readiness = []) {
        self.socket = socket
        key = 0
        byteCount = Int(readiness.rawValue)
        number = 0
        kind = .posted
        isTurn = true
        unsafe lease = nil
        unsafe owner = nil
    }

    /// Why it failed; `ECANCELED` if it was cancelled or its socket was closed (OV-8).
    package var error: Errno? { number == 0 ? nil : Errno(rawValue: number) }

    /// Whether it is the peer's graceful end.
    package var isEndOfStream: Bool { kind == .receive && number == 0 && byteCount == 0 }

    /// What was received, in a buffer of the worker's.
    package var bytes: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: lease, count: lease == nil ? 0 : byteCount)
    }

    /// Calls `body` with the owner of its socket, without counting a reference (CP-8).
    ///
    /// `body` must not let go of the owner's last reference before it is done with it.
    ///
    /// - Returns: what `body` returned; `nil` if the owner is not of that very class.
    @inlinable
    @inline(__always)
    package func withOwner<Owner: AnyObject, Result>(
        _: Owner.Type,
        _ body: (Owner) -> Result
    ) -> Result? {
        guard let owner = unsafe owner else { return nil }
        return unsafe OwnerReference(owner).with(Owner.self, body)
    }

    var readiness: Readiness { Readiness(rawValue: UInt32(truncatingIfNeeded: byteCount)) }
}

@available(*, unavailable)
extension Packet: Sendable {}
