import EchoSockets
import Glibc

/// What an engine knows of a socket, and the transfers that it carries out for it: a value, with
/// nothing on the heap until an operation needs more.
///
/// An ``OverlappedLoop`` reaches it directly, a ``CompletionPort`` through its slot's lock.
@safe struct SocketState {
    struct Flags: OptionSet {
        let rawValue: UInt8
        /// The number is the caller's to close.
        static var borrowed: Flags { Flags(rawValue: 1) }
        static var skipsPacket: Flags { Flags(rawValue: 2) }
        static var distrustsShortReceive: Flags { Flags(rawValue: 4) }
        static var receiveReady: Flags { Flags(rawValue: 8) }
        static var sendReady: Flags { Flags(rawValue: 16) }
        /// A turn of the socket is queued.
        static var queued: Flags { Flags(rawValue: 32) }
        /// No further receive is taken on (OV-13).
        static var receivingEnded: Flags { Flags(rawValue: 64) }
    }

    /// A pending operation of a completion port, which has no object.
    enum Armed: UInt8 {
        case nothing
        case receive
        case readable
        case accept
        case receiveFrom
    }

    /// The most operations that may wait on one socket (OV-14).
    static var pendingLimit: Int { 1024 }
    /// The most operations and bytes a socket may have in one turn (PR-5).
    static var turnOperationLimit: Int { 16 }
    static var turnByteLimit: Int { 64 * 1024 }

    private(set) var number: CInt
    var flags: Flags
    private var concealing: UInt8 = 0
    var armed = Armed.nothing
    private var turnOperations: UInt8 = 0
    private var turnBytes: UInt32 = 0
    /// The most bytes that the armed receive takes.
    var armedLimit: UInt32 = 0
    var receives = OperationQueue()
    var sends = OperationQueue()
    var pendingCount: UInt16 = 0
    /// Packets that have not been dealt with.
    var packets: UInt16 = 0
    /// Why every further transfer fails.
    private var failure: UInt8 = 0
    /// What the program gave it, and the source if it brings connections or datagrams; the state's
    /// own references.
    var owner: Unmanaged<AnyObject>?
    var source: Unmanaged<AdoptedSource>?

    init(_ number: CInt, _ flags: Flags = []) {
        self.number = number
        self.flags = flags.union(.sendReady)
        unsafe owner = nil
        unsafe source = nil
    }

    /// Whether it is the state of an open socket.
    var isOpen: Bool { number >= 0 }

    /// Ends its life.
    mutating func end() {
        number = -1
    }

    var isReceiveReady: Bool { flags.contains(.receiveReady) }
    var isSendReady: Bool { flags.contains(.sendReady) }
    var hasPendingReceive: Bool { armed != .nothing || !receives.isEmpty }

    // MARK: The socket itself

    /// Runs a body with the socket.
    func withSocket<Result>(_ body: (borrowing Socket) -> Result) -> Result {
        let socket = Socket(Descriptor(adopting: number))
        let result = body(socket)
        _ = socket.release()
        return result
    }

    /// Shuts down a direction; what is pending goes on.
    ///
    /// The kernel is not told that receiving ends: it would end the pending receives (OV-13).
    mutating func shutdown(_ direction: Socket.Direction) {
        if direction != .sending { flags.insert(.receivingEnded) }
        if direction != .receiving { withSocket { $0.shutdown(.sending) } }
    }

    // MARK: Readiness

    /// Takes an edge to heart.
    ///
    /// Bits accumulate until the socket is known to be drained (PR-3).
    mutating func note(_ readiness: Readiness) {
        if !readiness.isDisjoint(with: .receivable) { flags.insert(.receiveReady) }
        if !readiness.isDisjoint(with: .sendable) { flags.insert(.sendReady) }
        let bits = readiness.intersection(.concealing).rawValue
        concealing |= UInt8(truncatingIfNeeded: bits | bits >> 8)
    }

    /// Draws the conclusion from a receive that filled so much of so much room.
    private mutating func noteReceived(_ count: Int, of room: Int) {
        if count < room, count > 0, concealing == 0, !flags.contains(.distrustsShortReceive) {
            flags.remove(.receiveReady)
        }
    }

    /// The kernel has nothing to receive: the urgent mark, if there was one, is behind us.
    mutating func noteReceiveWouldBlock() {
        flags.remove(.receiveReady)
        concealing &= ~UInt8(truncatingIfNeeded: Readiness.urgent.rawValue)
    }

    // MARK: Fairness

    mutating func beginTurn(_ readiness: Readiness) {
        note(readiness)
        turnOperations = 0
        turnBytes = 0
    }

    mutating func spend(_ bytes: Int) {
        turnOperations &+= 1
        turnBytes &+= UInt32(truncatingIfNeeded: bytes)
    }

    /// Whether others must have their turn first.
    var isTurnSpent: Bool {
        turnOperations >= Self.turnOperationLimit || turnBytes >= Self.turnByteLimit
    }

    /// Whether something could be carried out now, if it were its turn.
    var hasWork: Bool {
        isReceiveReady && hasPendingReceive || isSendReady && !sends.isEmpty
    }

    // MARK: Transfers

    /// One `recv`, and what follows from it for the socket's readiness.
    ///
    /// - Returns: the bytes received, or a negated error.
    mutating func receive(_ start: UnsafeMutableRawPointer, _ room: Int) -> Int {
        let number = number
        let count = transferCall { unsafe receiveNow(from: number, start, room) }
        if count <= 0, failure != 0 {
            return fail()
        } else if count >= 0 {
            noteReceived(count, of: room)
            spend(count)
        } else if count == -TransferError.wouldBlock {
            noteReceiveWouldBlock()
        } else {
            noteFailure(-count)
        }
        return count
    }

    /// One `send`, and what follows from it for the socket's readiness: after a short one the
    /// kernel gives an edge when there is room again (PR-3).
    ///
    /// - Returns: the bytes sent, or a negated error.
    mutating func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard failure == 0 else { return fail() }
        let number = number
        let count = transferCall { unsafe sendBytes(to: number, bytes) }
        if count < bytes.count {
            if count >= 0 || count == -TransferError.wouldBlock {
                flags.remove(.sendReady)
            } else {
                noteFailure(-count)
            }
        }
        return count
    }

    // The kernel speaks of a reset once, and then, behind the bytes that came before it (CO-7), as
    // if the stream had ended well.
    mutating func noteFailure(_ number: Int) {
        if TransferError.endsConnection(number) { failure = UInt8(truncatingIfNeeded: number) }
    }

    private mutating func fail() -> Int {
        spend(0)
        return -Int(failure)
    }
}

/// A socket of a completion port that keeps what an operation has brought: connections, or
/// datagrams.
class AdoptedSource {
    /// Carries the operation out, and keeps what came of it until it is taken.
    ///
    /// - Parameter state: the socket's.
    /// - Returns: what it brought, or a negated error; `nil` if there is nothing.
    func bring(_ state: inout SocketState) -> Int? { nil }

    /// Whether a connection is queued, or has been brought.
    var hasQueue: Bool { false }

    /// Takes the connection that was brought, or else one that is queued.
    func next() -> AcceptOutcome { .failed(Errno(rawValue: EOPNOTSUPP)) }
}
