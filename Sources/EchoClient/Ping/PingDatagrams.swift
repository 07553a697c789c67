import EchoProactor
import EchoSockets

/// Whose socket a ``PingDatagrams`` is.
///
/// Told on the loop's thread, also from within its calls.
protocol PingDatagramsUser: PingConnectionUser {
    /// A socket is open.
    ///
    /// - Parameter address: for which of the addresses.
    func socketOpened(for address: Int)

    /// Nothing is there that could answer, as far as another host says, or this one.
    ///
    /// - Parameters:
    ///   - failure: what is said.
    ///   - address: of which of the addresses.
    /// - Returns: whether the next probe goes to another address, so that this socket is over.
    func refused(_ failure: ConnectError, at address: Int) -> Bool

    /// An echo has come again, or bytes that belong to no probe.
    ///
    /// - Parameters:
    ///   - outcome: which of these.
    ///   - probe: the probe, if it is known.
    func received(_ outcome: EchoPing.Outcome, of probe: PendingProbe?)
}

/// The UDP socket of an endpoint: sends the probes, and tells what comes back by the number that
/// each of them holds, in whatever order.
///
/// Belongs to the loop's thread.
final class PingDatagrams: PingLink, DatagramChannelUser {
    // The most probes that are known: memory, and the numbers that a probe of 2 bytes can hold.
    private static let limit = 65_536
    private static let limitOfOneByte = 256

    private let loop: ClientLoop
    private let plan: PingConnection.Plan
    private let number: Int
    private weak var user: (any PingDatagramsUser)?
    private let payload: DatagramPayload
    private var probes: DatagramProbes
    private var place: Int
    private var channel: DatagramChannel<PingDatagrams>?
    private var isOver = false
    private let expiry = EchoProactor.Operation()

    /// A socket that is opened for its first probe.
    ///
    /// - Parameters:
    ///   - loop: whose thread it belongs to.
    ///   - plan: its addresses and probes.
    ///   - number: names it.
    ///   - first: the address to try first.
    ///   - pattern: the bytes to send.
    ///   - user: whose it is.
    init(
        _ loop: ClientLoop,
        _ plan: PingConnection.Plan,
        number: Int,
        first: Int,
        pattern: PatternBytes,
        user: any PingDatagramsUser
    ) {
        self.loop = loop
        self.plan = plan
        self.number = number
        self.user = user
        place = first
        payload = DatagramPayload(pattern, size: plan.size)
        probes = DatagramProbes(limit: plan.size == 1 ? Self.limitOfOneByte : Self.limit)
        expiry.routine = { [weak self] error, _, _ in
            if error == nil { self?.expire() }
        }
    }

    // MARK: Probes

    func add(_ probe: PendingProbe) {
        var probe = probe
        if channel == nil, let failure = open() {
            let user = user
            close()
            user?.connectionEnded(number, failure, surplus: nil)
            user?.settled(
                probe,
                .lost(reason: "\(failure.reason)"),
                wasLost: false,
                on: number
            )
            return
        }
        let now = MonotonicTime.now
        if let oldest = probes.makeRoom(at: now) {
            lose(oldest, "too many probes have no answer")
        }
        let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: loop.room[..<plan.size])
        unsafe payload.fill(bytes, number: probes.next)
        probe.sent = .now
        guard let error = unsafe channel?.send(UnsafeRawBufferPointer(bytes)) else {
            return sent(probe)
        }
        probe.sent = nil
        fail(ConnectError(plan.endpoint, error, at: plan.addresses[place]), probe)
    }

    private func sent(_ probe: PendingProbe) {
        // That an earlier one was refused may have been the end of the socket.
        guard !isOver else { return lose(probe, "an earlier probe was refused") }
        probes.append(probe)
        armExpiry()
    }

    private func lose(_ probe: PendingProbe, _ reason: String) {
        user?.settled(probe, .lost(reason: reason), wasLost: false, on: number)
    }

    private func armExpiry() {
        guard !isOver, !expiry.isPending, let deadline = probes.deadline else { return }
        loop.loop.wait(expiry, until: deadline)
    }

    private func expire() {
        let now = MonotonicTime.now
        while !isOver, let probe = probes.popLost(by: now) { lose(probe, plan.lateReason) }
        armExpiry()
    }

    // MARK: The socket

    // For the first address to which the system knows a way.
    private func open() -> ConnectError? {
        var worst: ConnectError?
        for _ in plan.addresses {
            let address = plan.addresses[place]
            do throws(SystemError) {
                // A byte more, to see that an echo is too long.
                channel = try DatagramChannel(
                    loop.loop,
                    to: address,
                    bufferSize: plan.size + 1,
                    user: self
                )
                user?.socketOpened(for: place)
                return nil
            } catch {
                let failure = ConnectError(plan.endpoint, error, at: address)
                if failure.weight > worst?.weight ?? -1 { worst = failure }
                place = (place + 1) % plan.addresses.count
            }
        }
        return worst ?? ConnectError(plan.endpoint, .unusable("there is no address"))
    }

    func close(byReset: Bool) {
        guard !isOver else { return }
        isOver = true
        loop.loop.cancelWait(expiry)
        channel?.close()
        channel = nil
    }

    // What is lost is one probe, not the socket, unless there is another address.
    private func fail(_ failure: ConnectError, _ probe: PendingProbe?) {
        let user = user
        let isToEnd = user?.refused(failure, at: place) == true
        if let probe { lose(probe, "\(failure.reason)") }
        guard isToEnd, !isOver else { return }
        close()
        let rest = probes.popAll()
        user?.connectionEnded(number, nil, surplus: nil)
        for probe in rest { lose(probe, "\(failure.reason)") }
    }

    // MARK: DatagramChannelUser

    func channelFailed(_ error: SystemError) {
        // The kernel does not say which probe it was: usually the last.
        var refused: PendingProbe?
        if let last = probes.lastWaiting {
            refused = probes[last]
            probes.settle(last, .lost)
        }
        fail(ConnectError(plan.endpoint, error, at: plan.addresses[place]), refused)
    }

    func channelReceived(_ message: borrowing DatagramMessage) {
        let now = MonotonicTime.now
        let bytes = unsafe message.bytes
        guard let echoed = unsafe number(of: bytes) else {
            return surplus("\(bytes.count) bytes of no probe that is known", nil)
        }
        let (probe, state) = (probes[echoed], probes.state(of: echoed))
        let fault = unsafe payload.fault(in: bytes, of: echoed)
        if state != .answered { probes.settle(echoed, .answered) }
        switch (state, fault) {
        case (.answered, let fault?): surplus(fault, probe)
        case (_, let fault?):
            user?.settled(
                probe,
                .wrong(evidence: fault),
                wasLost: state == .lost,
                on: number
            )
        case (.answered, nil):
            user?.received(.duplicate(roundTrip: now - (probe.sent ?? now)), of: probe)
        case (_, nil): answered(probe, state == .lost, at: now)
        }
    }

    // A number that is wrong itself may name no probe, or another: then the only one is meant that
    // waits.
    private func number(of bytes: UnsafeRawBufferPointer) -> Int? {
        let known = unsafe payload.number(in: bytes)
            .flatMap { probes.number(ending: $0, mask: payload.mask) }
        if let known {
            let isOver = probes.state(of: known) == .answered
            if unsafe !isOver || payload.fault(in: bytes, of: known) == nil { return known }
        }
        return probes.onlyWaiting ?? known
    }

    private func surplus(_ evidence: String, _ probe: PendingProbe?) {
        user?.received(.surplus(evidence: evidence), of: probe)
    }

    private func answered(_ probe: PendingProbe, _ wasLost: Bool, at now: MonotonicTime) {
        let time = now - (probe.sent ?? now)
        let isLate = wasLost || probe.deadline < now
        // Its timer is due as well, but the answer was looked at first.
        if isLate, !wasLost { lose(probe, plan.lateReason) }
        user?.settled(
            probe,
            isLate ? .late(roundTrip: time) : .received(roundTrip: time),
            wasLost: isLate,
            on: number
        )
    }
}
