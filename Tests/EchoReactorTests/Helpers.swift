import EchoSockets
import EchoWinsock
import Glibc

@testable import EchoReactor

/// Counts the callbacks of its watches.
final class CallCounter {
    var count = 0

    func watch(
        _ loop: EventLoop,
        _ descriptor: CInt,
        _ readiness: Readiness
    ) throws(SystemError) -> Watch {
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        return unsafe try Watch(
            loop.base,
            descriptor: descriptor,
            readiness,
            persistent: true,
            context: context
        ) { _, _, context in
            guard let context = unsafe context else { return }
            unsafe Unmanaged<CallCounter>.fromOpaque(context).takeUnretainedValue().count += 1
        }
    }
}

extension Socket {
    /// Sends a text whole.
    @discardableResult
    func sendText(_ text: String, flags: CInt = 0) -> Transfer {
        let bytes = Array(text.utf8)
        return unsafe bytes.withUnsafeBytes { unsafe send($0, flags: flags) }
    }
}

/// The other end of a connection, driven by the test.
final class Peer {
    var socket: Socket?

    init(_ socket: consuming Socket) {
        self.socket = consume socket
    }

    func send(_ text: String, flags: CInt = 0) {
        socket?.sendText(text, flags: flags)
    }

    func shutdown() {
        socket?.shutdown(.sending)
    }

    func close() {
        socket = nil
    }

    /// Closes so that the other end sees a reset.
    func reset() {
        socket?.setResetOnClose()
        socket = nil
    }

    /// Receives until nothing is there.
    func drain() -> Int {
        var total = 0
        var buffer = [UInt8](repeating: 0, count: 65536)
        while case .bytes(let count)? = unsafe buffer.withUnsafeMutableBytes({
            unsafe socket?.receive(into: $0)
        }) {
            total += count
        }
        return total
    }
}

extension NetworkSocket {
    /// Receives at most so many bytes, as text; `nil` unless there are bytes.
    func receiveText(_ limit: Int = 4096, peeking: Bool = false) -> String? {
        var buffer = [UInt8](repeating: 0, count: limit)
        let outcome = unsafe buffer.withUnsafeMutableBytes {
            unsafe receive(into: $0, peeking: peeking)
        }
        guard case .bytes(let count) = outcome else { return nil }
        return String(decoding: buffer[..<count], as: UTF8.self)
    }

    /// What one receive of at most so many bytes gives.
    func receiveOutcome(_ limit: Int = 4096) -> Transfer {
        var buffer = [UInt8](repeating: 0, count: limit)
        return unsafe buffer.withUnsafeMutableBytes { unsafe receive(into: $0) }
    }

    @discardableResult
    func sendText(_ text: String) -> Transfer {
        let bytes = Array(text.utf8)
        return unsafe bytes.withUnsafeBytes { unsafe send($0) }
    }

    /// Sends until nothing fits any more; gives how much did.
    func fill() -> Int {
        let bytes = [UInt8](repeating: 7, count: 65536)
        var total = 0
        while case .bytes(let count) = unsafe bytes.withUnsafeBytes({ unsafe send($0) }) {
            total += count
            if count < bytes.count { break }
        }
        return total
    }
}

/// A loop, a queue, and connections on it, whose handles are of a table of the application's.
struct Fixture {
    let loop: EventLoop
    let queue = MessageQueue()
    let sockets = HandleTable<NetworkSocket>()

    init(_ method: LoopMethod = .automatic) throws {
        loop = try EventLoop(method: method)
    }

    /// A connection over a pair of Unix sockets.
    func pair() throws -> (NetworkSocket, Peer) {
        try Socket.pair().split { first, second in
            (try adopt(first), Peer(second))
        }
    }

    /// A TCP connection; the connecting end, whose urgent data is not inline, is on the loop.
    func tcpPair() throws -> (NetworkSocket, Peer) {
        let listener = try Listener(.loopback(port: 0))
        let client = try Socket(family: AF_INET, blocking: true)
        _ = try client.connect(to: listener.address)
        try client.descriptor.setNonBlocking(true)
        let peer = try accept(listener)
        return (try adopt(client), peer)
    }

    private func adopt(_ socket: consuming Socket) throws -> NetworkSocket {
        var adopted: Socket? = consume socket
        return try sockets.insert { handle in
            guard let socket = adopted.take() else {
                throw SystemError(call: "socket", errno: .notASocket)
            }
            return try NetworkSocket(loop, adopting: socket, as: handle)
        }
    }

    private func accept(_ listener: borrowing Listener) throws -> Peer {
        let deadline = MonotonicTime.now + .seconds(10)
        while MonotonicTime.now < deadline {
            if case .accepted(let socket, _) = listener.accept() { return Peer(socket) }
        }
        throw SystemError(call: "accept", errno: Errno(rawValue: ETIMEDOUT))
    }

    /// The messages that come until there are so many, and what else comes with them.
    func messages(_ count: Int) -> [NetworkMessage] {
        let deadline = MonotonicTime.now + .seconds(10)
        var found = taken()
        while found.count < count && MonotonicTime.now < deadline {
            loop.turn(waitingAtMost: .milliseconds(100))
            found += taken()
        }
        for _ in 0..<5 { loop.turn(waitingAtMost: .zero) }
        return found + taken()
    }

    func events(_ count: Int) -> [NetworkEvents] { messages(count).map(\.event) }

    /// The messages of a few turns that wait for nothing.
    func rest() -> [NetworkEvents] { events(0) }

    private func taken() -> [NetworkMessage] {
        var found: [NetworkMessage] = []
        while let message = queue.pop() { found.append(message) }
        return found
    }

    /// Whether the loop sleeps when it has nothing to do.
    ///
    /// The threshold allows for the coarse clock's tick.
    var isQuiet: Bool {
        let start = MonotonicTime.now
        loop.turn(waitingAtMost: .milliseconds(60))
        return MonotonicTime.now - start >= .milliseconds(40)
    }
}
