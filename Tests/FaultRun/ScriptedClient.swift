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
    private(set) var received = 0
    private(set) var urgentBytes = 0
    private(set) var lastProgress = MonotonicTime.now
    private let index: Int
    private let socket: Socket
    private let pattern: PatternBytes
    private var random: SeededGenerator
    private var isConnecting: Bool
    private var hasHalfClosed = false
    private var sent = 0
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
        pattern = PatternBytes(seed: seed, connection: index % (1 << 24))
    }

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
            let count = min(script.bytes - sent, script.chunk, buffer.count)
            let part = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
            unsafe pattern.fill(part, from: sent)
            let isUrgent = random.isLucky(script.urgentChance)
            let flags = isUrgent ? CInt(MSG_OOB) : 0
            switch unsafe socket.send(UnsafeRawBufferPointer(part), flags: flags) {
            case .bytes(let count):
                sent += count
                if isUrgent { urgentBytes += 1 }
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
        switch unsafe socket.receive(into: room) {
        case .bytes(let count):
            let part = unsafe UnsafeRawBufferPointer(rebasing: room[..<count])
            if let outcome = unsafe verify(part) { return outcome }
            received += count
            if random.isLucky(script.pauseChance.receiving) { nextReceive = now + pause() }
            if case .close = script.ending, received == script.bytes { return .completed }
            return nil
        case .endOfStream:
            return hasHalfClosed && received == script.bytes ? .completed : lost("the end")
        case .failed(let error): return lost("\(error)")
        case .wouldBlock, .interrupted: return nil
        }
    }

    private func verify(_ part: UnsafeRawBufferPointer) -> Outcome? {
        if received + part.count > sent {
            return .wrong(received + part.count - sent, "\(name): more bytes than were sent")
        }
        guard let first = unsafe pattern.firstMismatch(in: part, from: received) else { return nil }
        var count = 0
        for place in first..<part.count where unsafe part[place] != pattern[received + place] {
            count += 1
        }
        let there = unsafe Array(part.dropFirst(first).prefix(32))
        let origin = PatternBytes.origin(
            of: there,
            seed: pattern.seed,
            connections: 1 << 24,
            length: 1 << 20
        )
        let source = origin.map { "those of \($0)" } ?? "nobody's: \(there)"
        return .wrong(count, "\(name): the bytes at \(received + first) are \(source)")
    }

    private func pause() -> Duration {
        .milliseconds(Int.random(in: 1...script.longestPause, using: &random))
    }

    private var name: String { "client \(index) (\(script))" }

    private func lost(_ what: String) -> Outcome {
        .lost("\(name): \(what), with \(sent) bytes sent and \(received) back")
    }
}
