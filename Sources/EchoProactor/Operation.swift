package import EchoSockets
import Glibc
import Synchronization

/// One operation under way: the counterpart of `OVERLAPPED`, and of what a program appends to it.
///
/// Used again and again, but for one operation at a time; posting one that is under way is refused
/// with `EBUSY` (OV-6). While it is under way it and its buffer belong to the proactor, which holds
/// a reference; touch it only when it is not.
@safe package final class Operation: @unchecked Sendable {
    /// For the user: a number, or the address of what the operation is about (CP-8).
    package var context: UInt64 = 0
    /// For the user: what is to live as long as the operation does (CP-8).
    ///
    /// Must not use the proactor in its `deinit`.
    package var owner: AnyObject?
    /// The event that its completion sets, if it is used with an ``EventProactor``.
    package var event: OverlappedEvent?
    /// Runs after its completion, if it is used with an ``AlertableThread``.
    package var routine: CompletionRoutine?
    /// For the user: the most bytes that a receive into a borrowed buffer takes, at least 1.
    package var receiveLimit = Int.max
    /// The socket it was last posted on.
    package internal(set) var socket = SocketHandle.none
    /// What it was last posted as.
    package internal(set) var kind = OperationKind.receive

    /// Made by the proactor for a user who gave no object; never shown.
    var isAnonymous = false
    var next: Unmanaged<Operation>?
    private let phase = Atomic<UInt8>(0)
    private var number: CInt = 0
    private var count = 0

    /// Its own buffer; empty if it borrows one of the proactor's when data is there.
    let buffer: UnsafeMutableRawBufferPointer
    private let ownsBuffer: Bool
    /// A buffer of the proactor's that holds what was received.
    var lease: UnsafeMutableRawPointer?

    // What is still to be sent, and how much has been. The copy is made only of what the kernel
    // did not take at once, and only of bytes that are not in a buffer of the operation.
    var unsent = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
    private var copy: UnsafeMutableRawPointer?
    var sent = 0

    private var acceptedNumber: CInt = -1
    /// Who the accepted connection is from.
    package private(set) var peer: SocketAddress?

    /// An operation without a buffer: a receive is given one when data is there, until the
    /// operation is posted again or its buffer is returned.
    package init() {
        unsafe buffer = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        ownsBuffer = false
    }

    /// An operation with a buffer of its own.
    ///
    /// - Parameter capacity: bytes, at least 1.
    package init(capacity: Int) {
        unsafe buffer = .allocate(byteCount: max(1, capacity), alignment: 16)
        ownsBuffer = true
    }

    /// An operation that receives into memory of the caller's, which must stay valid and untouched
    /// while it is under way (OV-6).
    package init(borrowing buffer: UnsafeMutableRawBufferPointer) {
        unsafe self.buffer = buffer
        ownsBuffer = false
    }

    deinit {
        if ownsBuffer { unsafe buffer.deallocate() }
        unsafe lease?.deallocate()
        unsafe copy?.deallocate()
        if acceptedNumber >= 0 { _ = Descriptor(adopting: acceptedNumber) }
    }

    /// Whether it is under way.
    package var isPending: Bool { phase.load(ordering: .acquiring) == 1 }

    /// How it stands, or how it ended.
    ///
    /// From any thread.
    package var result: OperationResult {
        guard phase.load(ordering: .acquiring) == 2 else { return .incomplete }
        return number == 0 ? .success(bytes: count) : .failure(Errno(rawValue: number))
    }

    /// What the last receive brought, valid until the operation is posted again.
    package var bytes: UnsafeRawBufferPointer {
        guard kind == .receive, case .success(let count) = result else {
            return unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        }
        return unsafe UnsafeRawBufferPointer(start: lease ?? buffer.baseAddress, count: count)
    }

    /// Takes the connection that an accept brought.
    ///
    /// The first call has it, later ones give `nil`; a connection never taken is closed.
    package func takeAccepted() -> Socket? {
        guard acceptedNumber >= 0 else { return nil }
        let number = acceptedNumber
        acceptedNumber = -1
        return Socket(Descriptor(adopting: number))
    }
}

extension Operation {
    /// Starts it, unless it is under way.
    func begin(_ kind: OperationKind, on socket: SocketHandle) -> Bool {
        guard phase.load(ordering: .acquiring) != 1 else { return false }
        guard phase.exchange(1, ordering: .acquiringAndReleasing) != 1 else { return false }
        self.kind = kind
        self.socket = socket
        return true
    }

    /// Takes a start back: nothing was posted.
    func withdraw() {
        phase.store(0, ordering: .releasing)
    }

    /// Ends it.
    ///
    /// The last thing that is done to it before its completion is indicated (PR-9).
    func finish(number: CInt, count: Int) {
        if let copy = unsafe copy {
            unsafe copy.deallocate()
            unsafe self.copy = nil
        }
        unsafe unsent = UnsafeRawBufferPointer(start: nil, count: 0)
        self.number = number
        self.count = count
        phase.store(2, ordering: .releasing)
    }

    /// Keeps what the kernel did not take, of which so much has been sent before.
    func keepUnsent(_ rest: UnsafeRawBufferPointer, sent: Int) {
        self.sent = sent
        guard unsafe !holds(rest) else {
            unsafe unsent = rest
            return
        }
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: rest.count, alignment: 16)
        unsafe memory.copyMemory(from: rest)
        unsafe copy = memory.baseAddress
        unsafe unsent = UnsafeRawBufferPointer(memory)
    }

    private func holds(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let start = bytes.baseAddress else { return true }
        if let lease = unsafe lease, unsafe start >= UnsafeRawPointer(lease) {
            // Only the operation's own leased bytes are ever sent from there.
            return unsafe start < UnsafeRawPointer(lease) + leaseExtent
        }
        guard let own = unsafe buffer.baseAddress else { return false }
        return unsafe start >= UnsafeRawPointer(own)
            && start < UnsafeRawPointer(own) + buffer.count
    }

    private var leaseExtent: Int { max(1, count) }

    /// Stores an accepted connection, in place of one that nobody took.
    func storeAccepted(_ number: CInt, peer: SocketAddress) {
        _ = takeAccepted()
        acceptedNumber = number
        self.peer = peer
    }
}
