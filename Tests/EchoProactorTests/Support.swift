import EchoProactor
import EchoSockets
import EchoTestSupport
import EchoWinsock
import Glibc
import Synchronization
import Testing

/// Long enough for anything that happens at all; no test waits for it to pass.
let patience = Duration.seconds(20)

/// An owner of a socket that is known by a number.
final class Tag: Sendable {
    let number: UInt64

    init(_ number: UInt64) {
        self.number = number
    }
}

/// What a test's sockets are handed to.
protocol SocketEngine {
    func adopt(
        _ socket: consuming Socket,
        key: UInt64,
        _ options: AdoptionOptions
    )
        throws(SystemError) -> SocketHandle
}

extension CompletionPort: SocketEngine {
    func adopt(
        _ socket: consuming Socket,
        key: UInt64,
        _ options: AdoptionOptions
    )
        throws(SystemError) -> SocketHandle
    {
        try adopt(socket, owner: Tag(key), options: options)
    }

    func adopt(_ listener: consuming Listener, key: UInt64) throws(SystemError) -> SocketHandle {
        try adopt(listener, owner: Tag(key))
    }

    /// Whether the handle names an open socket.
    func isOpen(_ handle: SocketHandle) -> Bool {
        withSocket(handle) { _ in true } ?? false
    }
}

extension OverlappedLoop: SocketEngine {
    func adopt(
        _ socket: consuming Socket,
        key: UInt64,
        _ options: AdoptionOptions
    )
        throws(SystemError) -> SocketHandle
    {
        try adopt(socket, options: options)
    }

    /// Carries out what is possible now.
    func settle() {
        let events = EventSet()
        _ = events.makeEvent()
        _ = wait(for: events, timeout: .zero)
    }

    /// How an operation ended, as soon as it has.
    func end(of operation: Operation) -> OperationResult {
        _ = eventuallyBlocking {
            settle()
            return !operation.isPending
        }
        return operation.result
    }

    func send(_ text: String, with operation: Operation, on handle: SocketHandle) -> Submission {
        let bytes = Array(text.utf8)
        return unsafe bytes.withUnsafeBytes { unsafe send($0, with: operation, on: handle) }
    }
}

/// A pair of connected Unix sockets, one end adopted by an engine.
func adoptedPair(
    by engine: some SocketEngine,
    key: UInt64 = 7,
    options: AdoptionOptions = []
) throws -> (handle: SocketHandle, peer: Peer) {
    let pair = try Socket.pair()
    return try pair.split { first, second in
        let handle = try engine.adopt(first, key: key, options)
        return (handle, Peer(second))
    }
}

/// A TCP connection over the loopback, the accepted end adopted by an engine.
func adoptedConnection(
    by engine: some SocketEngine,
    key: UInt64 = 7,
    options: AdoptionOptions = []
) throws -> (handle: SocketHandle, peer: Peer) {
    let listener = try Listener(.loopback(port: 0))
    let client = try Socket(family: AF_INET, blocking: true)
    _ = try client.connect(to: listener.address)
    guard case .accepted(let socket, _) = listener.accept() else {
        throw SystemError(call: "accept", errno: .current)
    }
    let handle = try engine.adopt(socket, key: key, options)
    return (handle, Peer(client))
}

/// The other end of a connection, used directly.
final class Peer: Sendable {
    private let socket: Mutex<Socket?>

    init(_ socket: consuming Socket) {
        self.socket = Mutex(consume socket)
    }

    func use<Result>(_ body: (borrowing Socket) -> Result) -> Result? {
        socket.withLock { socket in
            switch socket {
            case .some(let open): body(open)
            case .none: nil
            }
        }
    }

    @discardableResult
    func send(_ text: String, flags: CInt = 0) -> Transfer? {
        use { socket in
            var bytes = Array(text.utf8)
            return unsafe bytes.withUnsafeMutableBytes {
                unsafe socket.send(UnsafeRawBufferPointer($0), flags: flags)
            }
        }
    }

    /// Whatever is there now.
    func receive(upTo count: Int = 65536) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let transfer = use { socket in
            unsafe bytes.withUnsafeMutableBytes { unsafe socket.receive(into: $0) }
        }
        guard case .bytes(let count)? = transfer else { return [] }
        return Array(bytes.prefix(count))
    }

    func shutdown() {
        use { $0.shutdown(.sending) }
    }

    func close() {
        socket.withLock { $0 = nil }
    }

    func reset() {
        use { $0.setResetOnClose() }
        close()
    }
}

extension UnsafeRawBufferPointer {
    var text: String { unsafe String(decoding: self, as: UTF8.self) }
}

extension Operation {
    var text: String { unsafe bytes.text }
}

extension CompletionPort {
    func send(_ text: String, on handle: SocketHandle) -> Submission {
        let bytes = Array(text.utf8)
        return unsafe bytes.withUnsafeBytes { unsafe send($0, on: handle) { unsafe $0 } }
    }
}

/// Where bytes lie that a send has not taken at once.
@safe final class Keeper {
    private var kept: [UnsafeMutableRawBufferPointer] = unsafe []

    deinit {
        while let memory = unsafe kept.popLast() { unsafe memory.deallocate() }
    }

    func keep(_ rest: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: rest.count, alignment: 16)
        unsafe memory.copyMemory(from: rest)
        unsafe kept.append(memory)
        return UnsafeRawBufferPointer(memory)
    }
}

/// A packet with its bytes copied, to look at after the worker has gone on.
struct Seen: Hashable {
    var key: UInt64
    var kind: OperationKind
    var byteCount: Int
    var error: Errno?
    var text: String

    init(_ packet: Packet) {
        key = packet.withOwner(Tag.self) { $0.number } ?? packet.key
        kind = packet.kind
        byteCount = packet.byteCount
        error = packet.error
        text = unsafe packet.bytes.text
    }
}

extension CompletionPort.Worker {
    /// The next packet, good or bad, if one comes without waiting longer than needed.
    func next(within timeout: Duration = patience) -> Seen? {
        switch dequeue(timeout: timeout) {
        case .success(let packet): Seen(packet)
        case .failure(let packet): Seen(packet)
        case .timedOut: nil
        case .abandoned: nil
        }
    }

    /// Everything that is there.
    func rest() -> [Seen] {
        var seen: [Seen] = []
        while let packet = next(within: .zero) { seen.append(packet) }
        return seen
    }
}

/// Waits for threads without holding a task's thread.
func joined(_ threads: [Thread]) async {
    await withCheckedContinuation { continuation in
        let waiter = try? Thread(name: "test-join") {
            for thread in threads { thread.join() }
            continuation.resume()
        }
        waiter?.detach()
    }
}

/// Something that threads wait for and a test opens.
final class Gate: Sendable {
    private let isOpen = Atomic(false)

    func open() {
        isOpen.store(true, ordering: .releasing)
    }

    func wait() {
        _ = eventuallyBlocking { isOpen.load(ordering: .acquiring) }
    }
}

let cancelled = Errno(rawValue: ECANCELED)
