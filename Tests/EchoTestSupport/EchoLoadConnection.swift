import EchoClient
import EchoSockets

/// Whose connection an ``EchoLoadConnection`` is; told on the loop's thread.
protocol EchoLoadConnectionUser: AnyObject {
    /// A connection is established.
    func opened(_ connection: EchoLoadConnection)
    /// So many bytes have been sent.
    func sent(_ count: Int)
    /// So many bytes have come back, and are right; nothing had come before if they are the first.
    func verified(_ count: Int, isFirst: Bool)
    /// All bytes of a connection that stays open have come back.
    func held(_ connection: EchoLoadConnection)
    /// A connection is closed.
    func ended(_ connection: EchoLoadConnection, _ end: EchoLoadConnection.End)
}

/// One connection of a load: what it has sent and verified.
///
/// Belongs to the loop's thread.
final class EchoLoadConnection: ChannelUser {
    /// How a connection came to its end.
    enum End {
        case refused(Errno)
        case echoed
        case endedEarly
        case broken
        case mismatch(String)
        case resetByUs
    }

    /// Sends in a row: a server that only discards would take all bytes in one turn.
    private static let sendLimit = 64

    let index: Int
    private let loop: ClientLoop
    private let load: EchoLoad
    private unowned let user: any EchoLoadConnectionUser
    private var channel: Channel<EchoLoadConnection>?
    private var stream: EchoStream
    private var isEstablished = false
    private(set) var isHeld = false
    private var hasHalfClosed = false
    private var waitsForTurn = false
    // Of the send that waits for room.
    private var waitingCount = 0

    init(_ loop: ClientLoop, _ load: EchoLoad, index: Int, user: any EchoLoadConnectionUser) {
        self.loop = loop
        self.load = load
        self.index = index
        self.user = user
        stream = EchoStream(index, seed: load.seed)
    }

    /// Whether it reads what comes back.
    var reads: Bool {
        switch load.behaviour {
        case .neverReads, .reset: false
        default: true
        }
    }

    /// Whether it reads, but nothing has come back.
    var isSilent: Bool { reads && stream.received == 0 }

    /// Connects.
    ///
    /// - Returns: `false` if the server's queue is full, to be tried again with another one.
    func open(_ socket: consuming Socket, to address: SocketAddress) -> Bool {
        let channel = Channel(loop.loop, user: self)
        self.channel = channel
        channel.receiveLimit = receiveLimit
        switch channel.connect(socket, to: address) {
        case .started: return true
        case .queueFull: return false
        case .failed(let error):
            end(.refused(error.errno))
            return true
        }
    }

    /// Closes the connection; its user is told nothing more.
    func close(byReset: Bool = false) {
        channel?.close(byReset: byReset)
        channel = nil
    }

    private func end(_ end: End) {
        if case .echoed = end, load.staysOpen, !isHeld {
            isHeld = true
            return user.held(self)
        }
        if case .resetByUs = end { close(byReset: true) } else { close() }
        user.ended(self, end)
    }

    // MARK: Sending

    /// Up to which byte it may send now.
    private var sendEnd: Int {
        if case .lockstep(let size) = load.behaviour {
            return min(load.bytes, (stream.received / size + 1) * size)
        }
        return load.bytes
    }

    private func sendMore() {
        var turns = Self.sendLimit
        while let channel, !channel.isSending, !waitsForTurn, stream.sent < sendEnd {
            if turns == 0 { return letOthersFirst() }
            turns -= 1
            sendOnce(channel)
        }
        guard let channel, !channel.isSending, stream.sent == load.bytes else { return }
        hasSentAll(channel)
    }

    private func sendOnce(_ channel: Channel<EchoLoadConnection>) {
        let count = unsafe min(sendEnd - stream.sent, load.chunk, loop.room.count)
        let part = unsafe UnsafeMutableRawBufferPointer(rebasing: loop.room[..<count])
        unsafe stream.fill(part)
        stream.note(sent: count)
        switch unsafe channel.send(UnsafeRawBufferPointer(part)) {
        case .taken: user.sent(count)
        case .waits: waitingCount = count
        case .failed: end(.broken)
        }
    }

    private func letOthersFirst() {
        waitsForTurn = true
        loop.at(.now) { [weak self] in
            self?.waitsForTurn = false
            self?.sendMore()
        }
    }

    private func hasSentAll(_ channel: Channel<EchoLoadConnection>) {
        if case .reset = load.behaviour { return end(.resetByUs) }
        if load.halfCloses, !load.staysOpen, !hasHalfClosed {
            channel.endSending()
            hasHalfClosed = true
        }
        // A connection of no bytes is echoed as soon as it is open.
        if load.bytes == 0, !hasHalfClosed, !isHeld { end(.echoed) }
    }

    // MARK: Reading

    private var receiveLimit: Int {
        switch load.behaviour {
        case .neverReads, .reset: 0
        case .slowReader(let bytes, _): bytes
        default: .max
        }
    }

    private func pauseReading() {
        guard case .slowReader(_, let pause) = load.behaviour, let channel else { return }
        channel.receiveLimit = 0
        loop.at(.now + pause) { [weak self] in
            guard let self, let channel = self.channel else { return }
            channel.receiveLimit = receiveLimit
            channel.resume()
        }
    }

    // MARK: ChannelUser

    func channelOpened() {
        isEstablished = true
        user.opened(self)
        channel?.resume()
        sendMore()
    }

    func channelSent() {
        user.sent(waitingCount)
        sendMore()
    }

    func channelReceived(_ bytes: UnsafeRawBufferPointer) {
        let isFirst = stream.received == 0
        let mismatch = unsafe stream.take(
            bytes,
            connections: load.connections,
            length: load.bytes
        )
        if let mismatch { return end(.mismatch("connection \(index), \(mismatch)")) }
        user.verified(bytes.count, isFirst: isFirst)
        pauseReading()
        // Without a half-close the last byte is the end.
        if stream.received == load.bytes, !hasHalfClosed {
            end(.echoed)
        } else {
            sendMore()
        }
    }

    func channelEnded() {
        let isWhole = stream.received == load.bytes && (hasHalfClosed || isHeld)
        end(isWhole ? .echoed : .endedEarly)
    }

    func channelFailed(_ error: SystemError) {
        end(isEstablished ? .broken : .refused(error.errno))
    }
}
