import EchoSockets
import Glibc

/// One connection of a running check: what it has sent, and how much of what came back is right.
///
/// Confined to the loop's thread.
final class Conversation {
    let plan: ConversationPlan
    let index: Int
    let socket: Socket
    var isConnecting = true
    /// Whether all other connections have reached their first stop.
    var othersAreThere = false
    /// When it may read; `nil` until everything is sent.
    private(set) var readTime: MonotonicTime?
    private(set) var sent = 0
    /// The offset of the byte that is expected next.
    private(set) var position = 0
    private(set) var hasReceived = false
    private(set) var hasHalfClosed = false
    private var isBlocked = false
    private var sendError: Errno?
    private var allowance = Int.max
    private var urgentWasLost = false

    init(_ plan: ConversationPlan, index: Int, socket: consuming Socket) {
        self.plan = plan
        self.index = index
        self.socket = socket
    }

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

    /// Whether everything has come back, except an urgent last byte.
    private var isEchoed: Bool {
        let count = plan.payload.count
        return position == count || (position == count - 1 && position == plan.urgentOffset)
    }

    /// What it waits for, as poll(2) takes it.
    func events(at now: MonotonicTime) -> Int32 {
        if isConnecting { return POLLOUT }
        let reads = readTime.map { $0 <= now } ?? false
        return (reads ? POLLIN : 0) | (isBlocked ? POLLOUT : 0)
    }

    /// Begins; the connection must be established.
    func begin(_ buffer: UnsafeMutableRawBufferPointer, at now: MonotonicTime) {
        isConnecting = false
        switch plan.reading {
        case .always: readTime = now
        case .afterSending: break
        case .paced(let delay, let bytes, _):
            readTime = now + delay
            allowance = bytes
        }
        unsafe send(buffer)
    }

    /// Sends and receives as poll(2) allows.
    func handle(
        _ events: Int32,
        _ buffer: UnsafeMutableRawBufferPointer,
        at now: MonotonicTime
    ) -> ConversationEnd? {
        if events & POLLOUT != 0 { unsafe send(buffer) }
        guard events & ~POLLOUT != 0, let readTime, readTime <= now else { return nil }
        if let end = unsafe receive(buffer, at: now) { return end }
        unsafe send(buffer)
        return nil
    }

    /// Sends until there is no room, or its turn is over.
    func send(_ buffer: UnsafeMutableRawBufferPointer) {
        isBlocked = false
        var turns = 16
        while sendError == nil, sent < sendLimit, !isBlocked {
            let isUrgent = sent == plan.urgentOffset
            var count = min(sendLimit - sent, plan.chunk, buffer.count)
            if isUrgent { count = 1 }
            if let offset = plan.urgentOffset, offset > sent { count = min(count, offset - sent) }
            let part = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
            unsafe plan.payload.fill(part, from: sent)
            let flags = isUrgent ? CInt(MSG_OOB) : 0
            switch unsafe socket.send(UnsafeRawBufferPointer(part), flags: flags) {
            case .bytes(let count): sent += count
            case .wouldBlock: isBlocked = true
            case .interrupted: continue
            // What the server sent before the reset can still be received (CO-7).
            case .failed(let error): sendError = error
            case .endOfStream: break
            }
            turns -= 1
            if turns == 0, sent < sendLimit { isBlocked = true }
        }
        if sent == plan.payload.count || sendError != nil { noteAllSent() }
    }

    private func noteAllSent() {
        if case .afterSending(let pause) = plan.reading, readTime == nil {
            readTime = .now + pause
        }
        if case .halfCloseAtOnce = plan.ending, sendError == nil { halfClose() }
    }

    private func halfClose() {
        if !hasHalfClosed { socket.shutdown(.sending) }
        hasHalfClosed = true
    }

    private func receive(
        _ buffer: UnsafeMutableRawBufferPointer,
        at now: MonotonicTime
    ) -> ConversationEnd? {
        let room = unsafe UnsafeMutableRawBufferPointer(
            rebasing: buffer[..<min(allowance, buffer.count)]
        )
        switch unsafe socket.receive(into: room) {
        case .bytes(let count):
            hasReceived = true
            pace(count, at: now)
            return unsafe take(UnsafeRawBufferPointer(rebasing: room[..<count]))
        case .endOfStream:
            if let sendError { return .failed(endedEarly(broken(by: sendError))) }
            guard hasHalfClosed, isEchoed else {
                return .failed(endedEarly("was ended by the server"))
            }
            return .complete(urgentWasLost: urgentWasLost || position < plan.payload.count)
        case .failed(let error):
            return .failed(endedEarly(broken(by: sendError ?? error)))
        case .wouldBlock, .interrupted: return nil
        }
    }

    private func broken(by error: Errno) -> String {
        "was broken by the server (\(error))"
    }

    private func pace(_ count: Int, at now: MonotonicTime) {
        guard case .paced(_, let bytes, let pause) = plan.reading else { return }
        allowance -= count
        guard allowance <= 0 else { return }
        allowance = bytes
        readTime = now + pause
    }

    // Compares what was received with what is expected.
    private func take(_ bytes: UnsafeRawBufferPointer) -> ConversationEnd? {
        var rest = unsafe bytes
        while true {
            let owed = min(rest.count, sent - position)
            let part = unsafe UnsafeRawBufferPointer(rebasing: rest[..<owed])
            guard let wrong = unsafe plan.payload.firstMismatch(in: part, from: position) else {
                position += owed
                let surplus = rest.count - owed
                if surplus > 0 {
                    let bytes = unsafe Array(rest.dropFirst(owed).prefix(32))
                    return .failed(mismatch(bytes, surplus: surplus))
                }
                break
            }
            unsafe rest = UnsafeRawBufferPointer(rebasing: rest[wrong...])
            position += wrong
            guard position == plan.urgentOffset else {
                return .failed(mismatch(unsafe Array(rest.prefix(32))))
            }
            urgentWasLost = true
            position += 1
        }
        return endIfEchoed()
    }

    private func endIfEchoed() -> ConversationEnd? {
        if case .reset(let after) = plan.ending, position >= after {
            socket.setResetOnClose()
            return .complete(urgentWasLost: false)
        }
        guard sent == plan.payload.count, isEchoed else { return nil }
        switch plan.ending {
        case .close: return .complete(urgentWasLost: urgentWasLost)
        case .halfCloseAfterEcho: halfClose()
        case .halfCloseAtOnce, .reset: break
        }
        return nil
    }
}
