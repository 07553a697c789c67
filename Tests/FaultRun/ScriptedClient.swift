import EchoClient
import EchoSockets
import EchoTestSupport
import Glibc

/// Whose client a ``ScriptedClient`` is; told on the loop's thread.
protocol ScriptedClientUser: AnyObject {
    /// So many bytes have come back, and are right.
    func verified(_ count: Int)
    /// A client is closed.
    func ended(_ client: ScriptedClient, _ outcome: ScriptedClient.Outcome)
}

/// One client of the fault run: follows its script, and checks each byte that comes back.
///
/// Belongs to the loop's thread.
final class ScriptedClient: ChannelUser {
    /// How a client came to its end.
    enum Outcome {
        /// As its script says, every byte that it waited for verified.
        case completed
        /// The server ended it, or broke it.
        case lost(String)
        /// Bytes that are not its own came back.
        case wrong(Int, String)
    }

    let index: Int
    let script: ClientScript
    private(set) var urgentBytes = 0
    private(set) var lastProgress = MonotonicTime.now
    private let loop: ClientLoop
    private unowned let user: any ScriptedClientUser
    private var channel: Channel<ScriptedClient>?
    private var stream: EchoStream
    private var random: SeededGenerator
    private var hasHalfClosed = false
    private var pausesSending = false

    init(_ loop: ClientLoop, index: Int, seed: UInt64, user: any ScriptedClientUser) {
        self.loop = loop
        self.index = index
        self.user = user
        random = SeededGenerator(seed: seed, stream: UInt64(index) + 1)
        script = ClientScript(drawnFrom: &random)
        stream = EchoStream(index, seed: seed)
    }

    /// Connects.
    func open(to subject: Subject) throws(SystemError) -> Channel<ScriptedClient>.Attempt {
        let address = script.usesUnixSocket ? subject.unixAddress : subject.address
        let socket = try Socket(family: address.family)
        if let size = script.receiveBuffer {
            try socket.setOption(level: SOL_SOCKET, SO_RCVBUF, size)
        }
        let channel = Channel(loop.loop, user: self)
        self.channel = channel
        channel.receiveLimit = script.readSize
        return channel.connect(socket, to: address)
    }

    /// Closes the connection; its user is told nothing more.
    func close(byReset: Bool = false) {
        channel?.close(byReset: byReset)
        channel = nil
    }

    /// Gives up: nothing has happened for too long.
    func giveUp() {
        lose("no progress")
    }

    private func end(_ outcome: Outcome, byReset: Bool = false) {
        close(byReset: byReset)
        user.ended(self, outcome)
    }

    private func lose(_ what: String) {
        let bytes = "\(stream.sent) bytes sent and \(stream.received) back"
        end(.lost("\(name): \(what), with \(bytes)"))
    }

    private var name: String { "client \(index) (\(script))" }

    private var pause: Duration {
        .milliseconds(Int.random(in: 1...script.longestPause, using: &random))
    }

    // MARK: Sending

    private func sendMore() {
        while let channel, !channel.isSending, !endsSending(channel) {
            guard stream.sent < script.bytes, !pausesSending else { return }
            sendOnce(channel)
            lastProgress = .now
        }
    }

    // Whether that was all it has to do.
    private func endsSending(_ channel: Channel<ScriptedClient>) -> Bool {
        switch script.ending {
        case .halfClose:
            if stream.sent == script.bytes, !hasHalfClosed {
                channel.endSending()
                hasHalfClosed = true
            }
            return false
        case .close:
            guard stream.received == script.bytes else { return false }
            end(.completed)
        case .reset(let limit):
            guard stream.sent >= limit else { return false }
            end(.completed, byReset: true)
        case .abandon(let limit):
            guard stream.sent >= limit else { return false }
            end(.completed)
        }
        return true
    }

    private func sendOnce(_ channel: Channel<ScriptedClient>) {
        let count = unsafe min(script.bytes - stream.sent, script.chunk, loop.room.count)
        let part = unsafe UnsafeMutableRawBufferPointer(rebasing: loop.room[..<count])
        unsafe stream.fill(part)
        let bytes = UnsafeRawBufferPointer(part)
        if random.isLucky(script.urgentChance), let taken = unsafe sendUrgently(bytes, channel) {
            stream.note(sent: taken)
            urgentBytes += 1
        } else {
            stream.note(sent: count)
            if case .failed(let error) = unsafe channel.send(bytes) { return lose("\(error)") }
        }
        if random.isLucky(script.pauseChance.sending) { pauseSending() }
    }

    // Without room it is sent like any other, and waits.
    private func sendUrgently(
        _ bytes: UnsafeRawBufferPointer,
        _ channel: Channel<ScriptedClient>
    ) -> Int? {
        let transfer = channel.withSocket { unsafe $0.send(bytes, flags: CInt(MSG_OOB)) }
        guard case .bytes(let count) = transfer else { return nil }
        return count
    }

    private func pauseSending() {
        pausesSending = true
        loop.at(.now + pause) { [weak self] in
            self?.pausesSending = false
            self?.sendMore()
        }
    }

    // MARK: ChannelUser

    func channelOpened() {
        lastProgress = .now
        channel?.resume()
        sendMore()
    }

    func channelSent() {
        lastProgress = .now
        sendMore()
    }

    func channelReceived(_ bytes: UnsafeRawBufferPointer) {
        lastProgress = .now
        if let mismatch = unsafe stream.take(bytes, length: ClientScript.longest) {
            return end(.wrong(mismatch.count, "\(name): \(mismatch)"))
        }
        user.verified(bytes.count)
        if random.isLucky(script.pauseChance.receiving) { pauseReceiving() }
        sendMore()
    }

    private func pauseReceiving() {
        channel?.receiveLimit = 0
        loop.at(.now + pause) { [weak self] in
            guard let self, let channel = self.channel else { return }
            channel.receiveLimit = script.readSize
            channel.resume()
        }
    }

    func channelEnded() {
        if hasHalfClosed, stream.received == script.bytes {
            end(.completed)
        } else {
            lose("the end")
        }
    }

    func channelFailed(_ error: SystemError) {
        lose("\(error)")
    }
}
