import EchoProactor
import EchoSockets
import Glibc

/// Whose connection a ``PingConnection`` is.
///
/// Told on the loop's thread, also from within its calls.
protocol PingConnectionUser: AnyObject {
    /// A connection is established.
    ///
    /// - Parameters:
    ///   - address: to which of the addresses.
    ///   - duration: how long that took, failed addresses included.
    func connectionOpened(to address: Int, after duration: Duration)

    /// Something has become of a probe.
    ///
    /// - Parameters:
    ///   - probe: the probe.
    ///   - outcome: what has become of it.
    ///   - wasLost: whether it had been counted as lost before.
    ///   - number: the connection's.
    func settled(_ probe: PendingProbe, _ outcome: EchoPing.Outcome, wasLost: Bool, on number: Int)

    /// A connection is over, or could not be established.
    ///
    /// - Parameters:
    ///   - number: which one.
    ///   - failure: why it could not be established.
    ///   - surplus: what came back that belongs to no probe.
    func connectionEnded(_ number: Int, _ failure: ConnectError?, surplus: String?)
}

/// One connection of an endpoint: connects, sends the probes that are due, and verifies what comes
/// back.
///
/// Belongs to the loop's thread.
final class PingConnection: PingLink, ChannelUser {
    /// What all connections of an endpoint have in common.
    struct Plan {
        let endpoint: Endpoint
        let addresses: [SocketAddress]
        let size: Int
        let timeout: Duration

        /// Why a probe is lost whose echo has not come in time.
        var lateReason: String { "no echo within \(timeout.shortText)" }
    }

    private enum Phase { case new, connecting, open, closed }

    // The most probes on their way: further ones are lost, as their place would take memory.
    private static let limit = 65_536

    private let loop: ClientLoop
    private let plan: Plan
    private let number: Int
    private weak var user: (any PingConnectionUser)?
    private var stream: EchoStream
    private var queue = ProbeQueue()
    private var phase = Phase.new
    private var channel: Channel<PingConnection>?
    private let expiry = EchoProactor.Operation()
    private let first: Int
    private var connector: Connector<PingConnection>?

    /// A connection that is opened for its first probe.
    ///
    /// - Parameters:
    ///   - loop: whose thread it belongs to.
    ///   - plan: its addresses and probes.
    ///   - number: names it.
    ///   - first: the address to try first.
    ///   - stream: the bytes to send.
    ///   - user: whose it is.
    init(
        _ loop: ClientLoop,
        _ plan: Plan,
        number: Int,
        first: Int,
        stream: EchoStream,
        user: any PingConnectionUser
    ) {
        self.loop = loop
        self.plan = plan
        self.number = number
        self.first = first
        self.stream = stream
        self.user = user
        expiry.routine = { [weak self] error, _, _ in
            if error == nil { self?.expire() }
        }
    }

    // MARK: Probes

    // As soon as there is a connection and room in it.
    func add(_ probe: PendingProbe) {
        var probe = probe
        // It waits for the server to read.
        if phase == .open, channel?.isSending == true { probe.sent = .now }
        queue.append(probe)
        switch phase {
        case .new: open()
        case .connecting: break
        case .open:
            sendWaiting()
            armExpiry()
        case .closed: fail("the connection is closed", nil)
        }
    }

    private func sendWaiting() {
        while phase == .open, let channel, !channel.isSending, queue.firstWaiting != nil {
            guard queue.sentCount < Self.limit else {
                return fail("too many probes have no answer", nil, byReset: true)
            }
            let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: loop.room[..<plan.size])
            unsafe stream.fill(bytes)
            stream.note(sent: plan.size)
            queue.noteSent(at: .now, end: stream.sent)
            if case .failed(let error) = unsafe channel.send(UnsafeRawBufferPointer(bytes)) {
                fail("\(error)", nil)
            }
        }
    }

    private func armExpiry() {
        guard phase == .open, !expiry.isPending, let deadline = queue.deadline else { return }
        loop.loop.wait(expiry, until: deadline)
    }

    private func expire() {
        guard phase == .open else { return }
        let now = MonotonicTime.now
        let reason = EchoPing.Outcome.lost(reason: plan.lateReason)
        while phase == .open, let probe = queue.popLost(by: now) {
            user?.settled(probe, reason, wasLost: false, on: number)
        }
        armExpiry()
    }

    // MARK: The connection

    private func open() {
        phase = .connecting
        let connector = Connector(
            loop,
            plan.endpoint,
            plan.addresses,
            first: first,
            timeout: plan.timeout,
            user: self
        ) { [weak self] in self?.fail("\($0.reason)", $0) }
        self.connector = connector
        connector.start()
    }

    func close(byReset: Bool) {
        guard phase != .closed else { return }
        phase = .closed
        connector?.cancel()
        connector = nil
        loop.loop.cancelWait(expiry)
        channel?.close(byReset: byReset)
        channel = nil
    }

    // Everything that is neither answered nor lost is lost now.
    private func fail(
        _ reason: String,
        _ failure: ConnectError?,
        byReset: Bool = false,
        surplus: String? = nil
    ) {
        close(byReset: byReset)
        let probes = queue.popAll()
        let user = user
        user?.connectionEnded(number, failure, surplus: surplus)
        for probe in probes {
            user?.settled(probe, .lost(reason: reason), wasLost: false, on: number)
        }
    }

    // MARK: ChannelUser

    func channelOpened() {
        guard phase == .connecting, let connector else { return }
        let (place, duration) = (connector.place, connector.duration)
        channel = connector.opened()
        self.connector = nil
        phase = .open
        queue.note(connect: duration)
        user?.connectionOpened(to: place, after: duration)
        sendWaiting()
        armExpiry()
        channel?.resume()
    }

    func channelReceived(_ bytes: UnsafeRawBufferPointer) {
        let now = MonotonicTime.now
        var rest = unsafe bytes
        while phase == .open, unsafe !rest.isEmpty {
            guard let probe = queue.firstSent else {
                let text = unsafe stream.take(rest)?.description ?? "\(rest.count) bytes"
                return fail("bytes came that were not sent", nil, byReset: true, surplus: text)
            }
            let count = min(rest.count, probe.end - stream.received)
            let part = unsafe UnsafeRawBufferPointer(rebasing: rest[..<count])
            if let mismatch = unsafe stream.take(part) { return failWrong(mismatch.description) }
            unsafe rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            guard stream.received == probe.end else { return }
            if unsafe !rest.isEmpty, queue.sentCount == 1 {
                return failWrong("\(rest.count) bytes more than were sent")
            }
            if let (probe, wasLost) = queue.popSent() { answered(probe, wasLost, at: now) }
        }
    }

    private func answered(_ probe: PendingProbe, _ wasLost: Bool, at now: MonotonicTime) {
        let time = now - (probe.sent ?? now)
        let isLate = wasLost || probe.deadline < now
        if isLate, !wasLost {
            // Its timer is due as well, but the answer was looked at first.
            let reason = EchoPing.Outcome.lost(reason: plan.lateReason)
            user?.settled(probe, reason, wasLost: false, on: number)
        }
        let outcome: EchoPing.Outcome =
            isLate ? .late(roundTrip: time) : .received(roundTrip: time)
        user?.settled(probe, outcome, wasLost: isLate, on: number)
    }

    private func failWrong(_ evidence: String) {
        if let (probe, wasLost) = queue.popSent() {
            let user = user
            user?.settled(probe, .wrong(evidence: evidence), wasLost: wasLost, on: number)
        }
        if phase == .open { fail("the echo of an earlier probe was wrong", nil, byReset: true) }
    }

    func channelSent() {
        sendWaiting()
        armExpiry()
    }

    func channelEnded() {
        fail("the server ended the connection", nil)
    }

    func channelFailed(_ error: SystemError) {
        if let connector { connector.failed(error) } else { fail("\(error)", nil) }
    }
}
