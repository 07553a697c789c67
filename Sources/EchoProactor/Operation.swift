package import EchoSockets
package import EchoWinsock

/// One operation under way: the counterpart of `OVERLAPPED`, and of what a program appends to it.
///
/// Used again and again, but for one operation at a time; posting one that is under way is refused
/// with `EBUSY` (OV-6). While it is under way it and its buffer belong to the engine, which holds a
/// reference. For the thread of its loop.
@safe
@usableFromInline
package final class Operation {
    // Its own references, so that a use counts none; internal, so that no access is checked.
    private var ownerReference: Unmanaged<AnyObject>?
    private var events: Unmanaged<EventSet>?
    private var whatRuns: CompletionRoutine?

    /// The one behind it in its queue.
    var next: Unmanaged<Operation>?
    /// Its own buffer, or one that it has borrowed.
    private(set) var memory: UnsafeMutableRawPointer?
    // What is still to be sent.
    private var unsentStart: UnsafeRawPointer?
    private var unsentCount = 0
    private var moved = 0
    private var number: CInt = 0
    private var limit = UInt32.max
    /// Bytes of its own buffer; 0 if it borrows one when data is there.
    private let capacity: UInt32
    private var eventIndex: UInt8 = 0
    private var phase = Phase.idle
    private var lastKind = OperationKind.receive

    private enum Phase: UInt8 {
        case idle
        case pending
        case finished
    }

    /// An operation without a buffer: a receive is given one when data is there, until the
    /// operation is posted again or its buffer is returned.
    package init() {
        capacity = 0
    }

    /// An operation with a buffer of its own.
    ///
    /// - Parameter capacity: bytes, at least 1.
    package init(capacity: Int) {
        self.capacity = UInt32(clamping: max(1, capacity))
        unsafe memory = .allocate(byteCount: Int(self.capacity), alignment: 16)
    }

    private init(withoutBuffer capacity: UInt32) {
        self.capacity = capacity
    }

    /// An operation for datagrams, which borrows nothing and has no buffer: they are received into
    /// a batch.
    package static func forDatagrams() -> Operation { Operation(withoutBuffer: 1) }

    deinit {
        unsafe memory?.deallocate()
        unsafe events?.release()
        unsafe ownerReference?.release()
    }

    /// What it was last posted as.
    package var kind: OperationKind { lastKind }

    /// What it is about: the program's own object, which it keeps alive.
    package var owner: AnyObject? {
        get { unsafe ownerReference?.takeUnretainedValue() }
        set {
            let former = unsafe ownerReference
            unsafe ownerReference = newValue.map { unsafe .passRetained($0) }
            unsafe former?.release()
        }
    }

    /// What runs after its completion, in an alertable wait (CR-1); if there is none, its event is
    /// signalled.
    package var routine: CompletionRoutine? {
        get { whatRuns }
        set { whatRuns = newValue }
    }

    /// The event that its completion signals, and that posting it resets (OV-2).
    package var event: EventObject? {
        get {
            unsafe events.flatMap { unsafe $0.takeUnretainedValue().event(at: Int(eventIndex)) }
        }
        set {
            unsafe events?.release()
            unsafe events = newValue.map { unsafe .passRetained($0.events) }
            eventIndex = UInt8(newValue?.index ?? 0)
        }
    }

    /// The most bytes that a receive into a borrowed buffer takes, at least 1.
    package var receiveLimit: Int {
        get { Int(limit) }
        set { limit = UInt32(clamping: max(1, newValue)) }
    }

    /// Whether it is under way.
    package var isPending: Bool { phase == .pending }

    /// How it stands, or how it ended.
    ///
    /// The corresponding Winsock function is `WSAGetOverlappedResult`.
    package var result: OperationResult {
        guard phase == .finished else { return .incomplete }
        return number == 0 ? .success(bytes: moved) : .failure(Errno(rawValue: number))
    }

    /// What the last receive brought, valid until the operation is posted again.
    package var bytes: UnsafeRawBufferPointer {
        guard lastKind == .receive, phase == .finished, number == 0, let start = unsafe memory
        else {
            return unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        }
        return unsafe UnsafeRawBufferPointer(start: start, count: moved)
    }

    /// How many bytes of a send the kernel has taken so far.
    package var sentCount: Int { lastKind == .send ? moved : 0 }

    /// Calls `body` with its owner, without counting a reference.
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
        guard let owner = unsafe borrowedOwner else { return nil }
        return unsafe OwnerReference(owner).with(Owner.self, body)
    }

    @usableFromInline
    var borrowedOwner: Unmanaged<AnyObject>? {
        unsafe ownerReference
    }
}

@available(*, unavailable)
extension Operation: Sendable {}

extension Operation {
    /// Starts it, unless it is under way.
    func begin(_ kind: OperationKind) -> Bool {
        guard phase != .pending else { return false }
        phase = .pending
        lastKind = kind
        if let events = unsafe events {
            unsafe events._withUnsafeGuaranteedRef { $0.reset(Int(eventIndex)) }
        }
        return true
    }

    /// Takes a start back: nothing was posted.
    func withdraw() {
        phase = .idle
    }

    /// Ends it; its completion is indicated next.
    func finish(number: CInt, count: Int) {
        unsafe unsentStart = nil
        self.number = number
        moved = count
        phase = .finished
    }

    /// Why it failed; 0 if it did not.
    var errorNumber: CInt { number }

    /// Signals its event, if it has one.
    func signal() {
        if let events = unsafe events {
            unsafe events._withUnsafeGuaranteedRef { $0.signal(Int(eventIndex)) }
        }
    }

    /// Whether a routine is to run, rather than an event be signalled.
    var hasRoutine: Bool { whatRuns != nil }

    /// Runs its routine.
    func runRoutine() {
        whatRuns?(number == 0 ? nil : Errno(rawValue: number), number == 0 ? moved : 0, self)
    }

    // MARK: Buffers

    /// Whether it must be lent a buffer to receive.
    var borrows: Bool { capacity == 0 }

    /// How many bytes it may receive into a buffer of so many.
    func room(in lent: Int) -> Int {
        borrows ? min(lent, Int(limit)) : Int(capacity)
    }

    func borrow(_ buffer: UnsafeMutableRawPointer) {
        unsafe memory = buffer
    }

    /// Gives up the buffer that it has borrowed.
    func giveBack() -> UnsafeMutableRawPointer? {
        guard borrows else { return nil }
        defer { unsafe memory = nil }
        return unsafe memory
    }

    /// Where one that receives datagrams puts them; `nil` if it is none, or has ended.
    ///
    /// Kept by its user for as long as it is under way.
    var batch: DatagramBatch? {
        get {
            guard lastKind == .receiveFrom else { return nil }
            return unsafe unsentStart.map {
                unsafe Unmanaged<DatagramBatch>.fromOpaque($0).takeUnretainedValue()
            }
        }
        set {
            unsafe unsentStart = newValue.map {
                unsafe UnsafeRawPointer(Unmanaged.passUnretained($0).toOpaque())
            }
        }
    }

    // MARK: Sending

    /// What is still to be sent.
    var unsent: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: unsentStart, count: unsentCount)
    }

    /// Keeps what the kernel did not take, of which so much has been sent before.
    func keepUnsent(_ rest: UnsafeRawBufferPointer, sent: Int) {
        unsafe unsentStart = rest.baseAddress
        unsentCount = rest.count
        moved = sent
    }

    /// Its place among those that wait for a moment.
    var timerPlace: Int {
        get { unsentCount }
        set { unsentCount = newValue }
    }

    /// Notes that so much more has been sent.
    ///
    /// - Returns: whether nothing is left.
    func noteSent(_ count: Int) -> Bool {
        unsafe unsentStart = unsentStart.map { unsafe $0 + count }
        unsentCount -= count
        moved += count
        return unsentCount == 0
    }
}

/// What runs when an operation has completed.
///
/// The corresponding Winsock type is `LPWSAOVERLAPPED_COMPLETION_ROUTINE`.
///
/// Runs on the thread of its ``OverlappedLoop``, in an alertable wait only (CR-1). It may post
/// further operations, this one too (CR-5). A function, or a closure that captures nothing, costs
/// no reference counting: the operation's owner is whom it works for.
///
/// - Parameters:
///   - error: why the operation failed; `nil` if it succeeded.
///   - byteCount: the bytes moved; 0 on error (CR-2).
///   - operation: the operation.
package typealias CompletionRoutine = (
    _ error: Errno?, _ byteCount: Int, _ operation: Operation
) -> Void
