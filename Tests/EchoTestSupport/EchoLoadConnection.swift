import EchoSockets

/// One connection of a load: what it has sent and verified.
///
/// Confined to the load's thread.
final class EchoLoadConnection {
    /// How a connection came to its end.
    enum End {
        case echoed
        case endedEarly
        case broken(Errno)
        case mismatch(String)
        case resetByUs
    }

    let index: Int
    let socket: Socket
    private let load: EchoLoad
    var isConnecting = true
    var isHeld = false
    /// Whether the last send found no room.
    private(set) var isBlocked = false
    private(set) var hasHalfClosed = false
    private var stream: VerifiedStream
    var nextRead = MonotonicTime(nanoseconds: .min)
    /// The events registered with epoll; `nil` before it is registered.
    var registered: UInt32?

    init(_ load: EchoLoad, index: Int, socket: consuming Socket) {
        self.load = load
        self.index = index
        self.socket = socket
        stream = VerifiedStream(
            index,
            seed: load.seed,
            connections: load.connections,
            length: load.bytes
        )
    }

    var sent: Int { stream.sent }
    var received: Int { stream.received }

    /// Up to which byte it may send now.
    private var sendLimit: Int {
        if case .lockstep(let size) = load.behaviour {
            return min(load.bytes, (received / size + 1) * size)
        }
        return load.bytes
    }

    var wantsToSend: Bool { isConnecting || (isBlocked && sent < sendLimit) }

    var reads: Bool {
        switch load.behaviour {
        case .neverReads, .reset: false
        default: true
        }
    }

    /// Sends what may be sent, until there is no room or it is others' turn: a server that only
    /// discards would take it all for ever.
    func sendMore(_ buffer: UnsafeMutableRawBufferPointer) -> End? {
        isBlocked = false
        var turns = 64
        while sent < sendLimit {
            if turns == 0 {
                isBlocked = true
                return nil
            }
            turns -= 1
            let count = min(sendLimit - sent, load.chunk)
            switch unsafe stream.send(atMost: count, over: socket, buffer) {
            case .bytes: break
            case .wouldBlock:
                isBlocked = true
                return nil
            case .interrupted: continue
            case .endOfStream: return .endedEarly
            case .failed(let error): return .broken(error)
            }
        }
        guard sent == load.bytes else { return nil }
        if case .reset = load.behaviour {
            socket.setResetOnClose()
            return .resetByUs
        }
        if load.halfCloses, !load.staysOpen, !hasHalfClosed {
            socket.shutdown(.sending)
            hasHalfClosed = true
        }
        // A connection of no bytes is echoed as soon as it is open.
        return load.bytes == 0 && !hasHalfClosed ? .echoed : nil
    }

    /// Receives once and verifies.
    func receive(_ buffer: UnsafeMutableRawBufferPointer) -> End? {
        var room = unsafe buffer
        if case .slowReader(let bytes, let pause) = load.behaviour {
            unsafe room = UnsafeMutableRawBufferPointer(
                rebasing: buffer[..<min(bytes, buffer.count)]
            )
            nextRead = .now + pause
        }
        switch unsafe stream.receive(from: socket, into: room) {
        // Without a half-close the last byte is the end.
        case .bytes:
            return received == load.bytes && !hasHalfClosed && load.bytes == sent ? .echoed : nil
        case .wrong(_, let text): return .mismatch("connection \(index), \(text)")
        case .endOfStream:
            return received == load.bytes && (hasHalfClosed || isHeld) ? .echoed : .endedEarly
        case .failed(let error): return .broken(error)
        case .nothing: return nil
        }
    }
}
