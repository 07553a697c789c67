package import EchoSockets
import Glibc

/// A completion: which operation on which socket ended, and how.
///
/// The counterpart of `OVERLAPPED_ENTRY`. A plain value: copying it keeps nothing alive. What it
/// refers to, an operation or received bytes, is valid until its ``CompletionPort/Worker`` dequeues
/// again.
@safe package struct Packet {
    /// What the socket was associated with, or what was posted (CP-1, CP-6).
    package let key: UInt64
    /// The socket; stale if it has been closed since.
    package let socket: SocketHandle
    /// What ended.
    package let kind: OperationKind
    /// The bytes moved.
    ///
    /// A successful receive of 0 bytes is the peer's graceful end.
    package let byteCount: Int
    let number: CInt
    let isTurn: Bool
    private let reference: Unmanaged<Operation>?
    let lease: UnsafeMutableRawPointer?

    init(
        key: UInt64,
        socket: SocketHandle,
        kind: OperationKind,
        byteCount: Int = 0,
        number: CInt = 0,
        operation: Unmanaged<Operation>?,
        lease: UnsafeMutableRawPointer?
    ) {
        self.key = key
        self.socket = socket
        self.kind = kind
        self.byteCount = byteCount
        self.number = number
        isTurn = false
        unsafe reference = operation
        unsafe self.lease = lease
    }

    /// A completion without an object or bytes.
    init(
        key: UInt64,
        socket: SocketHandle,
        kind: OperationKind,
        byteCount: Int = 0,
        number: CInt = 0
    ) {
        unsafe self.init(
            key: key,
            socket: socket,
            kind: kind,
            byteCount: byteCount,
            number: number,
            operation: nil,
            lease: nil
        )
    }

    /// Not a completion: a socket's place in the queue, with what the kernel said of it.
    init(turnOf socket: SocketHandle, readiness: Readiness = []) {
        key = 0
        self.socket = socket
        kind = .posted
        byteCount = Int(readiness.rawValue)
        number = 0
        isTurn = true
        unsafe reference = nil
        unsafe lease = nil
    }

    /// Why it failed; `ECANCELED` if it was cancelled or its socket was closed (OV-8).
    package var error: Errno? { number == 0 ? nil : Errno(rawValue: number) }

    /// Whether it is the peer's graceful end.
    package var isEndOfStream: Bool { kind == .receive && number == 0 && byteCount == 0 }

    /// The operation, if it had an object; `nil` otherwise.
    ///
    /// The corresponding value is `lpOverlapped`.
    package var operation: Operation? {
        guard let operation = unsafe reference?.takeUnretainedValue() else { return nil }
        return operation.isAnonymous ? nil : operation
    }

    var hasReference: Bool { unsafe reference != nil }

    /// What was received into a buffer of the worker's.
    package var bytes: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: lease, count: lease == nil ? 0 : byteCount)
    }

    var readiness: Readiness { Readiness(rawValue: UInt32(truncatingIfNeeded: byteCount)) }

    /// Gives up the reference that a packet under way holds on its operation.
    func release() {
        unsafe reference?.release()
    }
}

@available(*, unavailable)
extension Packet: Sendable {}

/// A queue of packets: strict first in, first out (CP-2).
///
/// Grows as needed, never shrinks.
@safe struct PacketQueue: ~Copyable {
    private var storage: UnsafeMutablePointer<Packet>
    private var capacity = 64
    private var head = 0
    private(set) var count = 0

    init() {
        unsafe storage = .allocate(capacity: capacity)
    }

    deinit {
        unsafe storage.deallocate()
    }

    var isEmpty: Bool { count == 0 }

    mutating func append(_ packet: Packet) {
        if count == capacity { grow() }
        unsafe (storage + ((head + count) & (capacity - 1))).initialize(to: packet)
        count += 1
    }

    mutating func removeFirst() -> Packet? {
        guard count > 0 else { return nil }
        let packet = unsafe storage[head]
        head = (head + 1) & (capacity - 1)
        count -= 1
        return packet
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Packet>.allocate(capacity: capacity * 2)
        for index in 0..<count {
            unsafe (larger + index).initialize(to: storage[(head + index) & (capacity - 1)])
        }
        unsafe storage.deallocate()
        unsafe storage = larger
        capacity *= 2
        head = 0
    }
}
