import EchoSockets

/// Whose connections a check's are.
///
/// Told on the loop's thread, never from within a call of its own.
protocol ConversationEvents: AnyObject {
    /// The server has shown that it serves the connection.
    func served(_ conversation: Conversation)
    /// The connection could not be established.
    func refused(_ conversation: Conversation, _ error: SystemError)
    /// The connection waits for the others at its first stop.
    func arrived(_ conversation: Conversation)
    /// The connection has ended, and is closed.
    func ended(_ conversation: Conversation, _ end: ConversationEnd)
}

/// One connection of a running check: what it has sent, and how much of what came back is right.
///
/// Belongs to the loop's thread.
final class Conversation {
    let plan: ConversationPlan
    let index: Int
    private let loop: ClientLoop
    private weak var events: (any ConversationEvents)?
    private var channel: Channel<Conversation>?
    private(set) var isConnecting = true
    private(set) var hasReceived = false
    private(set) var hasHalfClosed = false
    private var answer: ConversationAnswer
    // Bytes given to the channel, which may not have sent all of them yet.
    private var given = 0
    private var othersAreThere = false
    private var isWaitingForRoom = false
    private var willSend = false
    private var willRead = false
    private var hasRead = false
    private var sendError: Errno?
    private var allowance: Int

    init(
        _ loop: ClientLoop,
        _ plan: ConversationPlan,
        index: Int,
        events: any ConversationEvents
    ) {
        self.loop = loop
        self.plan = plan
        self.index = index
        self.events = events
        answer = ConversationAnswer(to: plan)
        allowance = plan.receiveLimit
    }

    /// The offset of the byte that is expected next.
    var position: Int { answer.position }

    /// Bytes that the kernel has taken.
    var sent: Int { given - (channel?.unsentCount ?? 0) }

    /// Whether the server has yet to show that it serves the connection.
    var isOpening: Bool { isConnecting || (!hasReceived && plan.payload.count > 0) }

    /// Whether it waits for the others at its first stop.
    var isAtMeeting: Bool {
        plan.meetsOthers && !othersAreThere && position == plan.stops.first
    }

    private var sendLimit: Int {
        if isAtMeeting { return position }
        return plan.stops.first { $0 > position } ?? plan.payload.count
    }

    /// Connects.
    func open(to address: SocketAddress) -> Channel<Conversation>.Attempt {
        let channel = Channel(loop.loop, user: self)
        self.channel = channel
        return channel.connect(to: address)
    }

    /// Goes on: all others have reached their first stop.
    func proceed() {
        othersAreThere = true
        send()
    }

    /// Closes the connection; nobody is told.
    func close(byReset: Bool = false) {
        channel?.close(byReset: byReset)
        channel = nil
    }

    private func finish(_ end: ConversationEnd) {
        var byReset = false
        if case .reset = plan.ending, case .complete = end { byReset = true }
        close(byReset: byReset)
        events?.ended(self, end)
    }

    // MARK: Sending

    // Sends until there is no room, or others must have their turn.
    private func send() {
        var turns = 16
        while let channel, !channel.isSending, sendError == nil, given < sendLimit {
            guard turns > 0 else { return sendLater(after: .zero) }
            turns -= 1
            guard given == plan.urgentOffset else {
                sendPart(channel)
                continue
            }
            // Nothing tells when there is room for an urgent byte.
            guard sendUrgent(channel) else { return sendLater(after: .milliseconds(1)) }
        }
        if sendError != nil || sent == plan.payload.count { noteAllSent() }
    }

    private func sendLater(after pause: Duration) {
        guard !willSend else { return }
        willSend = true
        loop.at(.now + pause) { [weak self] in
            self?.willSend = false
            self?.send()
        }
    }

    private func sendPart(_ channel: Channel<Conversation>) {
        var count = unsafe min(sendLimit - given, plan.chunk, loop.room.count)
        if let offset = plan.urgentOffset, offset > given { count = min(count, offset - given) }
        let part = unsafe UnsafeMutableRawBufferPointer(rebasing: loop.room[..<count])
        unsafe plan.payload.fill(part, from: given)
        switch unsafe channel.send(UnsafeRawBufferPointer(part)) {
        case .taken: given += count
        case .waits:
            given += count
            isWaitingForRoom = true
        // What the server sent before the reset can still be received (CO-7).
        case .failed(let error): sendError = error.errno
        }
    }

    private func sendUrgent(_ channel: Channel<Conversation>) -> Bool {
        switch channel.sendUrgent(plan.payload[given]) {
        case .bytes: given += 1
        case .failed(let error): sendError = error
        case .wouldBlock, .interrupted, .endOfStream: return false
        }
        return true
    }

    private func noteAllSent() {
        if case .afterSending(let pause) = plan.reading, !hasRead, !willRead {
            readLater(after: pause)
        }
        if case .halfCloseAtOnce = plan.ending, sendError == nil { halfClose() }
    }

    private func halfClose() {
        if !hasHalfClosed { channel?.endSending() }
        hasHalfClosed = true
    }

    // MARK: Receiving

    private func read() {
        hasRead = true
        channel?.receiveLimit = allowance
        channel?.resume()
    }

    private func readLater(after pause: Duration) {
        willRead = true
        channel?.receiveLimit = 0
        loop.at(.now + pause) { [weak self] in
            self?.willRead = false
            self?.read()
        }
    }

    private func pace(_ count: Int) {
        guard case .paced(_, let bytes, let pause) = plan.reading else { return }
        allowance -= count
        if allowance > 0 {
            channel?.receiveLimit = allowance
        } else {
            allowance = bytes
            readLater(after: pause)
        }
    }

    private func endIfEchoed() -> ConversationEnd? {
        if case .reset(let after) = plan.ending, position >= after {
            return .complete(urgentWasLost: false)
        }
        guard sent == plan.payload.count, answer.isComplete else { return nil }
        switch plan.ending {
        case .close: return .complete(urgentWasLost: answer.urgentWasLost)
        case .halfCloseAfterEcho: halfClose()
        case .halfCloseAtOnce, .reset: break
        }
        return nil
    }

    private func broken(by error: Errno) -> ConversationEnd {
        .failed(.reset, endedEarly("was broken by the server (\(error))"))
    }
}

extension Conversation: ChannelUser {
    func channelOpened() {
        isConnecting = false
        if case .paced(let delay, let bytes, _) = plan.reading {
            allowance = bytes
            readLater(after: delay)
        }
        send()
        if !isOpening { events?.served(self) }
        if case .always = plan.reading { read() }
    }

    func channelReceived(_ bytes: UnsafeRawBufferPointer) {
        if isOpening {
            hasReceived = true
            events?.served(self)
        }
        pace(bytes.count)
        if let wrong = unsafe answer.take(bytes, sent: sent) {
            return finish(.failed(.wrong, mismatch(wrong.bytes, surplus: wrong.surplus)))
        }
        if let end = endIfEchoed() { return finish(end) }
        if isAtMeeting { events?.arrived(self) }
        send()
    }

    func channelSent() {
        isWaitingForRoom = false
        send()
    }

    func channelEnded() {
        if let sendError { return finish(broken(by: sendError)) }
        guard hasHalfClosed, answer.isComplete else {
            return finish(.failed(.ended, endedEarly("was ended by the server")))
        }
        let isShort = position < plan.payload.count
        finish(.complete(urgentWasLost: answer.urgentWasLost || isShort))
    }

    func channelFailed(_ error: SystemError) {
        if isConnecting {
            events?.refused(self, error)
        } else if isWaitingForRoom, channel?.isSending == false {
            // Only the send has failed.
            isWaitingForRoom = false
            sendError = error.errno
            noteAllSent()
            if hasRead, !willRead { read() }
        } else {
            finish(broken(by: sendError ?? error.errno))
        }
    }
}
