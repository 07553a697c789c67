import EchoSockets
import EchoTestSupport
import Glibc

/// One client of the fault run: follows its script, and checks each byte that comes back.
///
/// Confined to the crowd's thread.
final class ScriptedClient {
    /// How a client came to its end.
    enum Outcome {
        /// As its script says, every byte that it waited for verified.
        case completed
        /// The server ended it, or broke it.
        case lost(String)
        /// Bytes that are not its own came back.
        case wrong(Int, String)
    }

    let script: ClientScript
    private(set) var urgentBytes = 0
    private(set) var lastProgress = MonotonicTime.now
    private let index: Int
    private let socket: Socket
    private var stream: VerifiedStream
    private var random: SeededGenerator
    private var isConnecting: Bool
    private var hasHalfClosed = false
    private var nextSend = MonotonicTime(nanoseconds: .min)
    private var nextReceive = MonotonicTime(nanoseconds: .min)

    /// Connects.
    init(index: Int, seed: UInt64, to subject: Subject) throws(SystemError) {
        var random = SeededGenerator(seed: seed, stream: UInt64(index) + 1)
        let script = ClientScript(drawnFrom: &random)
        let address = script.usesUnixSocket ? subject.unixAddress : subject.address
        let socket = try Socket(family: address.family)
        if let size = script.receiveBuffer {
            try socket.setOption(level: SOL_SOCKET, SO_RCVBUF, size)
        }
        isConnecting = try !socket.connect(to: address)
        self.index = index
        self.random = random
        self.script = script
        self.socket = socket
        stream = VerifiedStream(index, seed: seed, length: ClientScript.longest)
    }

    /// Bytes that have come back, verified.
    var received: Int { stream.received }
    private var sent: Int { stream.sent }

    var number: CInt { socket.number }

    /// The events of poll(2) that it waits for now; none while it pauses.
    func interest(_ now: MonotonicTime) -> Int32 {
        if isConnecting { return POLLOUT }
        var events: Int32 = 0
        if sent < script.bytes || mustFinishSending, now >= nextSend { events |= POLLOUT }
        if now >= nextReceive { events |= POLLIN }
        return events
    }

    /// Does what its events allow; gives the outcome if that was its end.
    func handle(
        _ events: Int32,
        _ buffer: UnsafeMutableRawBufferPointer,
        _ now: MonotonicTime
    ) -> Outcome? {
        if isConnecting {
            if let error = socket.takeError() { return lost("\(error) while connecting") }
            isConnecting = false
            if case .abandon(after: 0) = script.ending { return .completed }
        }
        lastProgress = now
        if events & ~POLLOUT != 0, now >= nextReceive {
            if let outcome = unsafe receive(buffer, now) { return outcome }
        }
        return events & POLLOUT != 0 && now >= nextSend ? unsafe send(buffer, now) : nil
    }

    /// What to say of a client that nothing happens to any more.
    var stuck: Outcome { lost("no progress") }

    private var mustFinishSending: Bool {
        switch script.ending {
        case .halfClose: !hasHalfClosed
        case .close: received == script.bytes
        case .reset, .abandon: true
        }
    }

    private func send(
        _ buffer: UnsafeMutableRawBufferPointer,
        _ now: MonotonicTime
    ) -> Outcome? {
        if sent < script.bytes {
            let count = min(script.bytes - sent, script.chunk)
            let isUrgent = random.isLucky(script.urgentChance)
            let flags = isUrgent ? CInt(MSG_OOB) : 0
            switch unsafe stream.send(atMost: count, over: socket, buffer, flags: flags) {
            case .bytes: if isUrgent { urgentBytes += 1 }
            case .wouldBlock, .interrupted: return nil
            case .endOfStream: return lost("no room for ever")
            case .failed(let error): return lost("\(error) while sending")
            }
            if random.isLucky(script.pauseChance.sending) { nextSend = now + pause() }
        }
        return endOfSending()
    }

    private func endOfSending() -> Outcome? {
        switch script.ending {
        case .halfClose:
            if sent == script.bytes, !hasHalfClosed {
                socket.shutdown(.sending)
                hasHalfClosed = true
            }
            return nil
        case .close:
            return received == script.bytes ? .completed : nil
        case .reset(let limit):
            guard sent >= limit else { return nil }
            socket.setResetOnClose()
            return .completed
        case .abandon(let limit):
            return sent >= limit ? .completed : nil
        }
    }

    private func receive(
        _ buffer: UnsafeMutableRawBufferPointer,
        _ now: MonotonicTime
    ) -> Outcome? {
        let room = unsafe UnsafeMutableRawBufferPointer(
            rebasing: buffer[..<min(script.readSize, buffer.count)]
        )
        switch unsafe stream.receive(from: socket, into: room) {
        case .bytes:
            if random.isLucky(script.pauseChance.receiving) { nextReceive = now + pause() }
            if case .close = script.ending, received == script.bytes { return .completed }
            return nil
        case .wrong(let count, let text): return .wrong(count, "\(name): \(text)")
        case .endOfStream:
            return hasHalfClosed && received == script.bytes ? .completed : lost("the end")
        case .failed(let error): return lost("\(error)")
        case .nothing: return nil
        }
    }

    private func pause() -> Duration {
        .milliseconds(Int.random(in: 1...script.longestPause, using: &random))
    }

    private var name: String { "client \(index) (\(script))" }

    private func lost(_ what: String) -> Outcome {
        .lost("\(name): \(what), with \(sent) bytes sent and \(received) back")
    }
}
