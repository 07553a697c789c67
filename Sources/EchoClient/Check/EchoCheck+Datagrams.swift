import EchoSockets
import Glibc

/// What each check of datagrams does, and what it makes of what it sees.
extension EchoCheck {
    /// Lengths that fit a packet of an Ethernet, around every power of two and the largest (1,472
    /// bytes over IPv4, 1,452 over IPv6).
    static let smallLengths = lengthsAroundPowers(2...1472, with: [1451, 1452, 1453, 1471, 1472])
    /// Lengths beyond, up to the largest there is.
    static let largeLengths = lengthsAroundPowers(
        1473...DatagramSocket.largestPayload,
        with: [1473, DatagramSocket.largestPayload - 1, DatagramSocket.largestPayload]
    )
    /// How many datagrams are to come back once.
    private static let onceCount = 20

    private static func lengthsAroundPowers(_ range: ClosedRange<Int>, with others: [Int]) -> [Int]
    {
        let around = (0...16).flatMap { [(1 << $0) - 1, 1 << $0, (1 << $0) + 1] }
        return Set(around + others).filter { range.contains($0) }.sorted()
    }

    private func name(_ check: Check, _ client: Int = 0) -> PayloadName {
        PayloadName(run: runNumber, check: check, connection: client)
    }

    private func step(of check: Check) -> DatagramStep {
        switch check {
        case .udpByte: DatagramStep([DatagramPlan(name(check), lengths: [1])])
        case .udpEmpty: DatagramStep([DatagramPlan(name(check), lengths: [0])])
        case .udpBytes:
            DatagramStep([DatagramPlan(name(check), datagrams: [Array(UInt8.min...UInt8.max)])])
        case .udpSizes: DatagramStep([DatagramPlan(name(check), lengths: Self.smallLengths)])
        case .udpLarge: DatagramStep([DatagramPlan(name(check), lengths: Self.largeLengths)])
        case .udpOnce: once
        case .udpSource: DatagramStep([DatagramPlan(name(check), lengths: [64, 65, 66])])
        case .udpClients:
            DatagramStep(
                (0..<connections).map { DatagramPlan(name(check, $0), lengths: [64, 65]) }
            )
        case .udpBurst: burst
        default: DatagramStep([])
        }
    }

    private var once: DatagramStep {
        let lengths = Array(100..<100 + Self.onceCount)
        var step = DatagramStep([DatagramPlan(name(.udpOnce), lengths: lengths)])
        step.linger = .milliseconds(500)
        return step
    }

    private var burst: DatagramStep {
        let lengths = (0..<connections).map { 64 + $0 % 1000 }
        var step = DatagramStep([DatagramPlan(name(.udpBurst), lengths: lengths)])
        step.isBurst = true
        return step
    }

    /// Runs a check of datagrams; `nil` if it was given up.
    func datagramFinding(
        of check: Check,
        at address: SocketAddress,
        _ loop: ClientLoop
    ) throws(SystemError) -> Finding? {
        let exchange = DatagramExchange(loop, address, step(of: check))
        let report = try exchange.run(until: .now + deadline)
        if loop.isStopped { return nil }
        if let failure = report.failure { return Finding(failure.fault, failure.evidence) }
        if check == .udpSource, let source = report.otherSource {
            return Finding(.wrong, "\(address) was asked, and \(source) answered")
        }
        // A network may double one: udp(7) promises nothing about it.
        if check == .udpOnce, report.doubled > 1 {
            let count = "\(report.doubled) of \(counted(report.count, "datagram"))"
            return Finding(.wrong, "\(count) came back more often than they were sent")
        }
        return Finding(.passed, evidence(of: check, report))
    }

    private func evidence(of check: Check, _ report: DatagramExchange.Report) -> String {
        let text =
            switch check {
            case .udpByte, .udpEmpty: "it came back"
            case .udpBytes: "256 of 256 values came back"
            case .udpSizes, .udpLarge: sizesEvidence(check)
            case .udpOnce:
                report.doubled == 0
                    ? "\(report.count) datagrams came back once each"
                    : "1 of \(report.count) datagrams came back twice, as a network may double one"
            case .udpSource: "all answers came from there"
            case .udpClients:
                "\(connections) clients received \(report.count) datagrams, each its own"
            default: "\(report.count) datagrams that were sent at once came back"
            }
        guard report.resent > 0 else { return text }
        return "\(text); \(report.resent) of \(report.count) only when sent again"
    }

    private func sizesEvidence(_ check: Check) -> String {
        let lengths = check == .udpSizes ? Self.smallLengths : Self.largeLengths
        return "\(lengths.count) sizes from \(lengths.first ?? 0) to \(lengths.last ?? 0) bytes "
            + "came back"
    }
}

/// Where the server is: UDP has no connections that would tell.
extension EchoCheck {
    /// How long an address may be silent before the next is tried.
    private static let silence = Duration.seconds(1)

    /// Sends a datagram to one address after another.
    ///
    /// - Parameters:
    ///   - loop: waits for the answer.
    ///   - stop: the loop's.
    /// - Returns: the first address that answers; if none does, the first that does not refuse, so
    ///   that the checks say what is wrong. `nil` if the loop was told to end.
    /// - Throws: of the failures of all addresses, the one that says most about the server.
    func findDatagramAddress(
        _ loop: ClientLoop,
        _ stop: ClientStop
    ) throws(ConnectError) -> SocketAddress? {
        let addresses = try AddressSearch(loop, stop, endpoint.value).resolve()
            .map(\.asDestination)
        let end = MonotonicTime.now + connectTimeout
        var silent: SocketAddress?
        var failure: ConnectError?
        for (index, address) in addresses.enumerated() {
            let share = min((end - .now) / (addresses.count - index), Self.silence)
            do throws(SystemError) {
                if try answers(address, loop, within: share) { return address }
                silent = silent ?? address
            } catch {
                let attempt = ConnectError(endpoint.value, error, at: address)
                if attempt.weight > failure?.weight ?? -1 { failure = attempt }
            }
            if loop.isStopped { return nil }
        }
        if let failure, silent == nil { throw failure }
        return silent
    }

    /// - Throws: the refusal.
    private func answers(
        _ address: SocketAddress,
        _ loop: ClientLoop,
        within limit: Duration
    ) throws(SystemError) -> Bool {
        let name = name(.udpByte, PayloadName.connections - 1)
        let step = DatagramStep([DatagramPlan(name, lengths: [32])])
        let report = try DatagramExchange(loop, address, step).run(until: .now + limit)
        if let refusal = report.refusal { throw SystemError(call: "sendto", errno: refusal) }
        return report.failure?.fault != .late && !loop.isStopped
    }
}
