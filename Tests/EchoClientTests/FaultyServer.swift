import EchoSockets
import EchoTestSupport
import Glibc

/// What a server does wrong, one fault each.
enum Fault: String, CaseIterable, Sendable {
    case none
    /// Says something before it was told anything.
    case greets
    /// Does not end the connection after the client's end.
    case neverEnds
    case swallows
    /// Holds back what it received until more arrives.
    case echoesLate
    case truncatesAtNUL
    case clearsHighBit
    /// Sends again what came before the 100,000th byte.
    case repeats
    /// Leaves out a few bytes behind the 100,000th.
    case loses
    /// Holds back the last 10 bytes, and forgets them at the end.
    case dropsTail
    /// Does not send what a full socket did not take.
    case forgetsRest
    /// Takes a full socket for a broken one.
    case breaksWhenFull
    /// Gives what it received to another connection.
    case swaps
    /// Ends all connections when one fails.
    case failsTogether
    /// Ends the connection at the urgent byte.
    case endsAtUrgent
    /// Loses everything behind the urgent byte that came with it.
    case losesBehindUrgent
    /// Loses the urgent byte alone, as a server does that does not receive it inline.
    case dropsUrgent
    /// Serves no more than 50 connections.
    case tires
    /// Gives a connection what the one before it has sent.
    case staleBuffer
    /// Resets instead of ending in good order.
    case resetsAtEnd
}

/// A server that lives for a test, with a thread for each connection.
///
/// It stops when nobody refers to it any more.
final class FaultyServer: Sendable {
    let address: SocketAddress
    private let stopping: Wakeup

    init(_ fault: Fault) throws {
        let listener = try Listener(.loopback(port: 0))
        let stopping = try Wakeup()
        address = listener.address
        self.stopping = stopping
        let state = FaultyState(fault, stopping, listener)
        try Thread(name: "faulty accept", stackSize: testStackSize) { state.accept() }.detach()
    }

    deinit {
        stopping.signal()
    }
}

/// What the threads of a faulty server share.
private final class FaultyState: Sendable {
    let fault: Fault
    let stopping: Wakeup
    private let listener: Listener
    private let connections = Locked<[FaultyConnection]>([])
    private let lastBytes = Locked<[UInt8]>([])

    init(_ fault: Fault, _ stopping: Wakeup, _ listener: consuming Listener) {
        self.fault = fault
        self.stopping = stopping
        self.listener = listener
    }

    func accept() {
        var count = 0
        while wait(for: listener.number, POLLIN) {
            guard case .accepted(let socket, _) = listener.accept() else { continue }
            let connection = FaultyConnection(self, count, socket)
            count += 1
            if fault == .swaps || fault == .failsTogether {
                connections.withLock { $0.append(connection) }
            }
            try? Thread(name: "faulty", stackSize: testStackSize) { connection.run() }.detach()
        }
        connections.withLock { $0 = [] }
    }

    /// Waits; `false` if the server is to stop.
    func wait(for number: CInt, _ events: Int32) -> Bool {
        var entries = [
            pollfd(fd: number, events: Int16(events), revents: 0),
            pollfd(fd: stopping.number, events: Int16(POLLIN), revents: 0),
        ]
        _ = transferCall { unsafe Int(poll(&entries, 2, -1)) }
        return entries[1].revents == 0
    }

    func neighbour(of index: Int) -> FaultyConnection? {
        connections.withLock { connections in
            connections.indices.contains(index ^ 1) ? connections[index ^ 1] : nil
        }
    }

    func endAll() {
        connections.withLock { for connection in $0 { connection.socket.shutdown(.both) } }
    }

    /// Keeps bytes, and gives those that were kept before.
    func exchangeLast(_ bytes: [UInt8]) -> [UInt8] {
        lastBytes.withLock { last in
            defer { last = bytes }
            return last.isEmpty ? bytes : last
        }
    }
}

private final class FaultyConnection: Sendable {
    let socket: Socket
    private let state: FaultyState
    private let index: Int

    init(_ state: FaultyState, _ index: Int, _ socket: consuming Socket) {
        self.state = state
        self.index = index
        self.socket = socket
    }

    func run() {
        let small: [Fault] = [.breaksWhenFull, .forgetsRest]
        if small.contains(state.fault) {
            try? socket.setOption(level: SOL_SOCKET, SO_SNDBUF, 16 * 1024)
        }
        if state.fault == .greets { _ = send(Array("220 ready\r\n".utf8)) }
        if state.fault == .tires, index >= 50 { return socket.shutdown(.both) }
        var received = 0
        var held: [UInt8] = []
        while state.wait(for: socket.number, POLLIN) {
            let isUrgent = socket.isAtUrgentMark
            if isUrgent, state.fault == .endsAtUrgent { break }
            let (outcome, bytes) = socket.receiveBytes(atMost: isUrgent ? 1 : 64 * 1024)
            switch outcome {
            case .wouldBlock, .interrupted: continue
            case .endOfStream: return end(held)
            case .failed:
                if state.fault == .failsTogether { state.endAll() }
                return
            case .bytes: break
            }
            guard answer(bytes, from: received, isUrgent: isUrgent, &held) else { break }
            received += bytes.count
        }
        socket.shutdown(.both)
    }

    private func end(_ held: [UInt8]) {
        switch state.fault {
        case .neverEnds: _ = state.wait(for: -1, 0)
        case .echoesLate: _ = send(held)
        case .resetsAtEnd: socket.setResetOnClose()
        default: break
        }
        if state.fault != .resetsAtEnd { socket.shutdown(.both) }
    }

    // Whether to go on.
    private func answer(
        _ bytes: [UInt8],
        from offset: Int,
        isUrgent: Bool,
        _ held: inout [UInt8]
    ) -> Bool {
        let crossing = 100_000 - offset
        let crosses = bytes.indices.contains(crossing)
        switch state.fault {
        case .swallows: return true
        case .echoesLate:
            defer { held = bytes }
            return send(held)
        case .truncatesAtNUL: return send(Array(bytes.prefix { $0 != 0 }))
        case .clearsHighBit: return send(bytes.map { $0 & 0x7F })
        case .repeats: return send(bytes) && (!crosses || send(bytes))
        case .loses:
            guard crosses else { return send(bytes) }
            return send(Array(bytes[..<crossing] + bytes[crossing...].dropFirst(20)))
        case .dropsTail:
            held += bytes
            defer { held = Array(held.suffix(10)) }
            return send(Array(held.dropLast(10)))
        case .forgetsRest: return send(bytes, completely: false) >= 0
        case .breaksWhenFull: return send(bytes, completely: false) == bytes.count
        case .swaps where offset >= 64:
            return state.neighbour(of: index)?.send(bytes) ?? send(bytes)
        case .staleBuffer: return send(state.exchangeLast(bytes))
        case .losesBehindUrgent where isUrgent:
            _ = state.wait(for: socket.number, POLLIN)
            _ = socket.receiveBytes()
            return send(bytes)
        case .dropsUrgent where isUrgent: return true
        default: return send(bytes)
        }
    }

    // Whether all of it could be sent.
    private func send(_ bytes: [UInt8]) -> Bool {
        send(bytes, completely: true) == bytes.count
    }

    private func send(_ bytes: [UInt8], completely: Bool) -> Int {
        var count = 0
        while count < bytes.count {
            switch socket.sendBytes(Array(bytes[count...])) {
            case .bytes(let taken): count += taken
            case .wouldBlock:
                guard completely, state.wait(for: socket.number, POLLOUT) else { return count }
            case .interrupted: continue
            case .endOfStream, .failed: return -1
            }
        }
        return count
    }
}
