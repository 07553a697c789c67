import EchoSockets

/// One connection of a load: its messages, when each was sent, and what came back.
final class LoadConnection: LoadLink, ChannelUser {
    private let round: LoadRound
    private let index: Int
    private var channel: Channel<LoadConnection>?
    private var stream: EchoStream
    private let size: Int
    private let inFlight: Int
    /// When the messages that are under way were sent, and for when they were scheduled; a ring.
    private var sendTimes: [Int64]
    private var scheduled: [Int64]
    private var messagesSent = 0
    private var messagesDone = 0
    private(set) var due = 0
    var lane = 0

    init(_ round: LoadRound, index: Int) {
        self.round = round
        self.index = index
        size = round.load.size
        inFlight = round.load.isChurn ? 1 : round.load.inFlight
        stream = EchoStream(round.nextStream(), seed: round.seed)
        sendTimes = Array(repeating: 0, count: inFlight)
        scheduled = round.isOpenLoop ? Array(repeating: 0, count: inFlight) : []
    }

    func open() -> Bool {
        let channel = Channel(round.loop.loop, user: self)
        self.channel = channel
        if round.load.isChurn { sendTimes[0] = MonotonicTime.now.nanoseconds }
        switch channel.connect(to: round.address) {
        case .started: return true
        case .queueFull: return false
        case .failed(let error):
            fail("\(error)")
            return true
        }
    }

    func close() {
        channel?.close(byReset: true)
        channel = nil
    }

    func channelOpened() {
        channel?.resume()
        round.events?.opened(self)
        if round.hasOpened { fillUp() }
    }

    func fillUp() {
        guard !round.isOpenLoop else { return sendDue() }
        send(inFlight - (messagesSent - messagesDone))
    }

    func makeDue() {
        due += 1
        sendDue()
    }

    private func sendDue() {
        let free = inFlight - (messagesSent - messagesDone)
        send(min(free, due))
    }

    var isWaiting: Bool { round.load.isChurn || messagesDone < messagesSent }

    // What a connection has taken comes back.
    func expire(at now: MonotonicTime) {}

    // Sends several messages by one call, as a client does that has several.
    private func send(_ count: Int) {
        guard count > 0, let channel, !channel.isSending, round.isSending else { return }
        let now = MonotonicTime.now.nanoseconds
        for message in messagesSent..<messagesSent + count {
            let place = message % inFlight
            if !round.load.isChurn { sendTimes[place] = now }
            if round.isOpenLoop {
                let moment = round.moment(of: message, in: lane)
                scheduled[place] = moment
                if message == messagesDone { round.noteLateness(now - moment) }
            }
        }
        messagesSent += count
        due -= round.isOpenLoop ? count : 0
        sendOut(channel)
    }

    // What does not fit into the memory for one send follows when that has been taken.
    private func sendOut(_ channel: Channel<LoadConnection>) {
        let total = messagesSent * size
        while stream.sent < total {
            let count = unsafe min(total - stream.sent, round.loop.room.count)
            let part = unsafe UnsafeMutableRawBufferPointer(rebasing: round.loop.room[..<count])
            unsafe stream.fill(part)
            stream.note(sent: count)
            switch unsafe channel.send(UnsafeRawBufferPointer(part)) {
            case .taken: continue
            case .waits: return
            case .failed(let error): return fail("\(error)")
            }
        }
    }

    func channelSent() {
        guard let channel else { return }
        sendOut(channel)
        if !channel.isSending { fillUp() }
    }

    func channelReceived(_ bytes: UnsafeRawBufferPointer) {
        if let mismatch = unsafe stream.take(bytes) {
            round.tally.wrongBytes += mismatch.count
            return fail("connection \(index), \(mismatch)")
        }
        let done = stream.received / size
        guard done > messagesDone else { return }
        let now = MonotonicTime.now.nanoseconds
        while messagesDone < done {
            let place = messagesDone % inFlight
            round.noteEcho(
                sent: sendTimes[place],
                scheduled: round.isOpenLoop ? scheduled[place] : nil,
                at: now
            )
            messagesDone += 1
        }
        if round.load.isChurn {
            finish()
            round.events?.churned(self)
        } else {
            fillUp()
        }
    }

    func channelEnded() {
        fail("connection \(index) was ended by the server")
    }

    func channelFailed(_ error: SystemError) {
        fail("connection \(index): \(error)")
    }

    private func fail(_ reason: String) {
        close()
        round.events?.failed(self, reason)
    }

    /// Closes in good order, as a client does that has what it wanted.
    func finish() {
        channel?.close()
        channel = nil
    }
}
