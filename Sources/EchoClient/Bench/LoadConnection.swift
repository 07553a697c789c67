import EchoSockets

/// One connection of a load: its messages, when each was sent, and what came back.
final class LoadConnection: ChannelUser {
    private let client: LoadClient
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
    /// Messages whose moment has come, and that have not been sent; open loop only.
    private(set) var due = 0
    /// Its place in the schedule.
    var lane = 0

    init(_ client: LoadClient, index: Int) {
        self.client = client
        self.index = index
        size = client.load.size
        inFlight = client.load.isChurn ? 1 : client.load.inFlight
        stream = EchoStream(client.nextStream(), seed: client.seed)
        sendTimes = Array(repeating: 0, count: inFlight)
        scheduled = client.isOpenLoop ? Array(repeating: 0, count: inFlight) : []
    }

    /// Connects.
    ///
    /// - Returns: `false` if the server's queue is full, to be tried again.
    func open() -> Bool {
        let channel = Channel(client.loop.loop, user: self)
        self.channel = channel
        if client.load.isChurn { sendTimes[0] = MonotonicTime.now.nanoseconds }
        switch channel.connect(to: client.address) {
        case .started: return true
        case .queueFull: return false
        case .failed(let error):
            fail("\(error)")
            return true
        }
    }

    /// Resets the connection, so that nothing is left behind.
    func close() {
        channel?.close(byReset: true)
        channel = nil
    }

    func channelOpened() {
        channel?.resume()
        client.opened(self)
    }

    /// Sends as many messages as may be under way.
    func fillUp() {
        guard !client.isOpenLoop else { return sendDue() }
        send(inFlight - (messagesSent - messagesDone))
    }

    /// Takes note that a message's moment has come.
    func makeDue() {
        due += 1
        sendDue()
    }

    private func sendDue() {
        let free = inFlight - (messagesSent - messagesDone)
        send(min(free, due))
    }

    // Sends several messages by one call, as a client does that has several.
    private func send(_ count: Int) {
        guard count > 0, let channel, !channel.isSending, client.isSending else { return }
        let now = MonotonicTime.now.nanoseconds
        for message in messagesSent..<messagesSent + count {
            let place = message % inFlight
            if !client.load.isChurn { sendTimes[place] = now }
            if client.isOpenLoop {
                let moment = client.moment(of: message, in: lane)
                scheduled[place] = moment
                if message == messagesDone { client.noteLateness(now - moment) }
            }
        }
        messagesSent += count
        due -= client.isOpenLoop ? count : 0
        sendOut(channel)
    }

    // What does not fit into the memory for one send follows when that has been taken.
    private func sendOut(_ channel: Channel<LoadConnection>) {
        let total = messagesSent * size
        while stream.sent < total {
            let count = min(total - stream.sent, client.loop.room.count)
            let part = unsafe UnsafeMutableRawBufferPointer(rebasing: client.loop.room[..<count])
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
            client.tally.wrongBytes += mismatch.count
            return fail("connection \(index), \(mismatch)")
        }
        let done = stream.received / size
        guard done > messagesDone else { return }
        let now = MonotonicTime.now.nanoseconds
        while messagesDone < done {
            let place = messagesDone % inFlight
            client.noteEcho(
                now - sendTimes[place],
                client.isOpenLoop ? now - scheduled[place] : nil
            )
            messagesDone += 1
        }
        if client.load.isChurn { return client.churn(self) }
        fillUp()
    }

    func channelEnded() {
        fail("connection \(index) was ended by the server")
    }

    func channelFailed(_ error: SystemError) {
        fail("connection \(index): \(error)")
    }

    private func fail(_ reason: String) {
        close()
        client.failed(self, reason)
    }

    /// Closes in good order, as a client does that has what it wanted.
    func finish() {
        channel?.close()
        channel = nil
    }
}
