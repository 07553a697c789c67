import EchoSockets
import Glibc

/// One UDP socket of a load: its datagrams, when each was sent, and what came back.
///
/// Each datagram that may be under way has a slot. Its number says which slot is its own, so that
/// echoes are recognised in whatever order they come, and late ones and duplicates are not counted.
final class LoadDatagrams: LoadLink, DatagramChannelUser {
    /// How long after it was sent a datagram is lost, at the earliest.
    ///
    /// Its slot is used again then. Longer than a busy machine keeps a datagram waiting.
    static let timeLimit = Duration.milliseconds(250)

    var lane = 0
    private(set) var due = 0

    private let round: LoadRound
    private let index: Int
    private let payload: DatagramPayload
    private var channel: DatagramChannel<LoadDatagrams>?
    // The number of the datagram that is under way in each slot; -1 for none.
    private var numbers: [Int]
    private var sendTimes: [Int64]
    private var scheduled: [Int64]
    // Slots without a datagram.
    private var free: [Int]
    // How often numbers have been given to the slots, and a power of two that they fit.
    private var turn = 0
    private let width: Int
    private var messagesSent = 0

    init(_ round: LoadRound, index: Int) {
        let inFlight = round.load.inFlight
        self.round = round
        self.index = index
        payload = DatagramPayload(
            EchoStream.pattern(round.nextStream(), seed: round.seed),
            size: round.load.size
        )
        numbers = Array(repeating: -1, count: inFlight)
        sendTimes = Array(repeating: 0, count: inFlight)
        scheduled = round.isOpenLoop ? Array(repeating: 0, count: inFlight) : []
        free = Array((0..<inFlight).reversed())
        width = Self.width(of: inFlight)
    }

    /// The least power of two that is not less.
    static func width(of slots: Int) -> Int {
        var width = 1
        while width < slots { width *= 2 }
        return width
    }

    func open() -> Bool {
        do throws(SystemError) {
            channel = try DatagramChannel(
                round.loop.loop,
                to: round.address,
                // A byte more, to see that an echo is too long.
                bufferSize: payload.size + 1,
                user: self
            )
            round.events?.opened(self)
        } catch {
            fail("\(error)")
        }
        return true
    }

    func close() {
        channel?.close()
        channel = nil
    }

    var isWaiting: Bool { free.count < numbers.count }

    private func fail(_ reason: String) {
        close()
        round.events?.failed(self, reason)
    }

    // MARK: Sending

    func fillUp() {
        guard !round.isOpenLoop else { return sendDue() }
        while !free.isEmpty, send() {}
    }

    func makeDue() {
        due += 1
        sendDue()
    }

    private func sendDue() {
        while due > 0, !free.isEmpty, send() { due -= 1 }
    }

    // One datagram; what the kernel does not take is lost, as if the network had lost it.
    private func send() -> Bool {
        guard round.isSending, let channel, let slot = free.popLast() else { return false }
        let number = turn &* width &+ slot
        turn &+= 1
        let bytes = unsafe UnsafeMutableRawBufferPointer(
            rebasing: round.loop.room[..<payload.size]
        )
        unsafe payload.fill(bytes, number: number)
        let now = MonotonicTime.now.nanoseconds
        numbers[slot] = number
        sendTimes[slot] = now
        if round.isOpenLoop {
            let moment = round.moment(of: messagesSent, in: lane)
            scheduled[slot] = moment
            if free.count == numbers.count - 1 { round.noteLateness(now - moment) }
        }
        messagesSent += 1
        if let error = unsafe channel.send(UnsafeRawBufferPointer(bytes)) { channelFailed(error) }
        return true
    }

    func expire(at now: MonotonicTime) {
        for slot in numbers.indices where numbers[slot] >= 0 {
            let sent = sendTimes[slot]
            let time = round.time(since: sent, sent: sent, at: now.nanoseconds)
            guard time >= Self.timeLimit.nanoseconds else { continue }
            numbers[slot] = -1
            free.append(slot)
            round.noteLost()
        }
        fillUp()
    }

    // MARK: DatagramChannelUser

    func channelReceived(_ message: borrowing DatagramMessage) {
        let bytes = unsafe message.bytes
        guard let bits = unsafe payload.number(in: bytes) else { return unsafe foreign(bytes) }
        let slot = Int(truncatingIfNeeded: bits) & (width - 1)
        guard slot < numbers.count, numbers[slot] >= 0,
            UInt64(truncatingIfNeeded: numbers[slot]) & payload.mask == bits
        else { return unsafe foreign(bytes) }
        let number = numbers[slot]
        guard unsafe payload.isEcho(bytes, of: number) else {
            round.tally.wrongBytes += unsafe payload.wrongCount(in: bytes, of: number)
            let fault = unsafe payload.fault(in: bytes, of: number) ?? ""
            return fail("socket \(index), \(fault)")
        }
        let now = MonotonicTime.now.nanoseconds
        numbers[slot] = -1
        free.append(slot)
        round.noteEcho(
            sent: sendTimes[slot],
            scheduled: round.isOpenLoop ? scheduled[slot] : nil,
            at: now
        )
        fillUp()
    }

    // Not of a datagram under way: late, or again; or never sent.
    private func foreign(_ bytes: UnsafeRawBufferPointer) {
        if let bits = unsafe payload.number(in: bytes) {
            let sent = UInt64(truncatingIfNeeded: turn &* width)
            let isOwn = bits < sent || payload.mask != .max
            if isOwn, unsafe payload.isEcho(bytes, of: Int(truncatingIfNeeded: bits)) { return }
            if isOwn, payload.mask != .max, bytes.count == payload.size { return }
        }
        round.tally.wrongBytes += max(1, bytes.count)
        fail("socket \(index): \(bytes.count) bytes that were not sent came back")
    }

    func channelFailed(_ error: SystemError) {
        // Nobody says which: it is lost when its time is over.
        if round.tally.firstFailure == nil { round.tally.firstFailure = "\(error)" }
    }
}
