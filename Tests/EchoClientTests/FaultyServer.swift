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
    /// Takes a full socket for a broken one, when it answers 128 KiB at once.
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

extension ThreadedEchoServer {
    /// A server with a fault.
    convenience init(with fault: Fault) throws(SystemError) {
        let state = FaultyState(fault)
        try self.init { connection in
            state.keep(connection)
            FaultyConnection(state, connection).run()
        }
    }
}

/// What the threads of a faulty server share.
private final class FaultyState: Sendable {
    let fault: Fault
    private let connections = Locked<[Int: ServedConnection]>([:])
    private let lastBytes = Locked<[UInt8]>([])

    init(_ fault: Fault) {
        self.fault = fault
    }

    func keep(_ connection: ServedConnection) {
        guard fault == .swaps || fault == .failsTogether else { return }
        connections.withLock { $0[connection.index] = connection }
    }

    // A check's first connection only finds the server, and has no neighbour.
    func neighbour(of index: Int) -> ServedConnection? {
        connections.withLock { $0[((index - 1) ^ 1) + 1] }
    }

    func endAll() {
        connections.withLock { for connection in $0.values { connection.socket.shutdown(.both) } }
    }

    /// Keeps bytes, and gives those that were kept before.
    func exchangeLast(_ bytes: [UInt8]) -> [UInt8] {
        lastBytes.withLock { last in
            defer { last = bytes }
            return last.isEmpty ? bytes : last
        }
    }
}

private struct FaultyConnection {
    private let state: FaultyState
    private let connection: ServedConnection

    init(_ state: FaultyState, _ connection: ServedConnection) {
        self.state = state
        self.connection = connection
    }

    func run() {
        let small: [Fault] = [.breaksWhenFull, .forgetsRest]
        if small.contains(state.fault) {
            try? connection.socket.setOption(level: SOL_SOCKET, SO_SNDBUF, 16 * 1024)
        }
        if state.fault == .greets { _ = connection.sendAll("220 ready\r\n".utf8) }
        if state.fault == .tires, connection.index > 50 {
            return connection.socket.shutdown(.both)
        }
        var received = 0
        var held: [UInt8] = []
        while connection.wait() {
            let isUrgent = connection.socket.isAtUrgentMark
            if isUrgent, state.fault == .endsAtUrgent { break }
            let (outcome, bytes) = connection.socket.receiveBytes(atMost: isUrgent ? 1 : 64 * 1024)
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
        connection.socket.shutdown(.both)
    }

    private func end(_ held: [UInt8]) {
        switch state.fault {
        case .neverEnds: connection.waitForStop()
        case .echoesLate: _ = connection.sendAll(held)
        case .resetsAtEnd: return connection.socket.setResetOnClose()
        default: break
        }
        connection.socket.shutdown(.both)
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
            return connection.sendAll(held)
        case .truncatesAtNUL: return connection.sendAll(Array(bytes.prefix { $0 != 0 }))
        case .clearsHighBit: return connection.sendAll(bytes.map { $0 & 0x7F })
        case .repeats: return connection.sendAll(bytes) && (!crosses || connection.sendAll(bytes))
        case .loses:
            guard crosses else { return connection.sendAll(bytes) }
            return connection.sendAll(Array(bytes[..<crossing] + bytes[crossing...].dropFirst(20)))
        case .dropsTail:
            held += bytes
            defer { held = Array(held.suffix(10)) }
            return connection.sendAll(Array(held.dropLast(10)))
        case .forgetsRest: return connection.send(bytes, completely: false) >= 0
        case .breaksWhenFull:
            // More than the socket takes in one call, even if the client reads by now.
            held += bytes
            if held.count < 128 * 1024 { return true }
            return connection.socket.sendBytes(held) == .bytes(held.count)
        case .swaps where offset >= 64:
            return (state.neighbour(of: connection.index) ?? connection).sendAll(bytes)
        case .staleBuffer: return connection.sendAll(state.exchangeLast(bytes))
        case .losesBehindUrgent where isUrgent:
            _ = connection.wait()
            _ = connection.socket.receiveBytes()
            return connection.sendAll(bytes)
        case .dropsUrgent where isUrgent: return true
        default: return connection.sendAll(bytes)
        }
    }
}
