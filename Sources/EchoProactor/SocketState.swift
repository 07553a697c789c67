import EchoSockets

/// What a proactor knows of a socket: 56 bytes in a table, and nothing on the heap until an
/// operation needs more.
///
/// Guarded by its slot's lock.
struct SocketState {
    struct Flags: OptionSet {
        let rawValue: UInt8
        static var open: Flags { Flags(rawValue: 1) }
        /// The number is the caller's to close.
        static var borrowed: Flags { Flags(rawValue: 2) }
        static var skipsPacket: Flags { Flags(rawValue: 4) }
        static var distrustsShortReceive: Flags { Flags(rawValue: 8) }
        static var receiveReady: Flags { Flags(rawValue: 16) }
        static var sendReady: Flags { Flags(rawValue: 32) }
        /// A turn of the socket is queued.
        static var queued: Flags { Flags(rawValue: 64) }
    }

    /// A pending operation without an object of its own.
    enum Armed: UInt8 {
        case nothing
        case receive
        case readable
    }

    /// The most operations and bytes a socket may have in one turn (PR-5).
    static var turnOperationLimit: Int { 16 }
    static var turnByteLimit: Int { 64 * 1024 }

    var generation: UInt32 = 0
    var number: CInt = -1
    var flags: Flags = []
    private var concealing: UInt8 = 0
    var armed = Armed.nothing
    private var turnOperations: UInt8 = 0
    private var turnBytes: UInt32 = 0
    var key: UInt64 = 0
    var receives = OperationQueue()
    var sends = OperationQueue()
    var listener: ListenerReference?
    var pendingCount: UInt16 = 0
    /// The most bytes that the receive without an object takes.
    var armedLimit: UInt32 = 0

    init() {}

    /// Starts a new life of the slot.
    mutating func open(_ number: CInt, key: UInt64, flags: Flags) {
        self.number = number
        self.key = key
        self.flags = flags.union([.open, .sendReady])
        concealing = 0
        armed = .nothing
        turnOperations = 0
        turnBytes = 0
        pendingCount = 0
        listener = nil
    }

    var isReceiveReady: Bool { flags.contains(.receiveReady) }
    var isSendReady: Bool { flags.contains(.sendReady) }
    var hasPendingReceive: Bool { armed != .nothing || !receives.isEmpty }

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
    mutating func noteReceived(_ count: Int, of room: Int) {
        if count < room, count > 0, concealing == 0, !flags.contains(.distrustsShortReceive) {
            flags.remove(.receiveReady)
        }
    }

    /// The kernel has nothing to receive: the urgent mark, if there was one, is behind us.
    mutating func noteReceiveWouldBlock() {
        flags.remove(.receiveReady)
        concealing &= ~UInt8(truncatingIfNeeded: Readiness.urgent.rawValue)
    }

    mutating func beginTurn() {
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
}
