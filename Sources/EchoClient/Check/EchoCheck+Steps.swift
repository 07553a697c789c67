/// What each check does: successive steps, each with concurrent connections.
extension EchoCheck {
    func steps(of check: Check) -> [[ConversationPlan]] {
        switch check {
        case .empty: [[single(check, count: 0, .halfCloseAtOnce)]]
        case .oneByte: [[single(check, count: 1, .halfCloseAfterEcho)]]
        case .allBytes: [[allBytes]]
        case .sizes: [[sizes]]
        case .halfClose:
            Self.tails(size).enumerated().map { index, count in
                [halfClose(index, count)]
            }
        case .slowReader: [[slowReader]]
        case .sendFirst: [[sendFirst]]
        case .interleaved: [interleaved]
        case .resets: [resets]
        case .urgent: (0..<3).map { [urgent($0)] }
        case .churn: [churn]
        case .udpByte, .udpEmpty, .udpBytes, .udpSizes, .udpLarge, .udpOnce, .udpSource,
            .udpClients, .udpBurst:
            []
        }
    }

    /// Sizes around every power of two, from 1 byte to 1 MiB and one more, or to as much less as
    /// large payloads have.
    var sizesAroundPowers: [Int] {
        let powers = (0...20).map { 1 << $0 }.filter { $0 <= size }
        return Set(powers.flatMap { [$0 - 1, $0, $0 + 1] }).filter { $0 > 0 }.sorted()
    }

    /// How much is sent before a half-close: a server may lose the tail of a small amount but not
    /// of a large one.
    static func tails(_ size: Int) -> [Int] { [10, 65_537, size] }

    /// How much is sent before anything is read.
    ///
    /// What two hosts buffer by default: on Linux a receive buffer of 64 KiB and, over a wide
    /// network, a send buffer of over 40 KiB on either side (`tcp_rmem` and `tcp_wmem`, tcp(7)).
    static let sentFirst = 128 * 1024

    private func name(_ check: Check, _ connection: Int = 0) -> PayloadName {
        PayloadName(run: runNumber, check: check, connection: connection)
    }

    private func single(
        _ check: Check,
        count: Int,
        _ ending: ConversationPlan.Ending
    ) -> ConversationPlan {
        var plan = ConversationPlan("the connection", CheckPayload(name(check), count: count))
        plan.ending = ending
        return plan
    }

    private var allBytes: ConversationPlan {
        let values = Array(UInt8.min...UInt8.max)
        return ConversationPlan("the connection", CheckPayload(name(.allBytes), bytes: values))
    }

    private var sizes: ConversationPlan {
        let sizes = sizesAroundPowers
        var plan = single(.sizes, count: sizes.reduce(0, +), .halfCloseAfterEcho)
        var offset = 0
        for size in sizes {
            offset += size
            plan.stops.append(offset)
        }
        return plan
    }

    private func halfClose(_ index: Int, _ count: Int) -> ConversationPlan {
        let payload = CheckPayload(name(.halfClose, index), count: count)
        var plan = ConversationPlan("the connection of \(count) bytes", payload)
        plan.ending = .halfCloseAtOnce
        return plan
    }

    private var slowReader: ConversationPlan {
        var plan = single(.slowReader, count: size, .halfCloseAtOnce)
        let part = max(64 * 1024, size / 64)
        plan.reading = .paced(delay: .milliseconds(300), bytes: part, every: .milliseconds(10))
        return plan
    }

    private var sendFirst: ConversationPlan {
        var plan = single(.sendFirst, count: Self.sentFirst, .halfCloseAfterEcho)
        plan.reading = .afterSending(pause: .milliseconds(200))
        return plan
    }

    private var interleaved: [ConversationPlan] {
        (0..<connections).map { index in
            let payload = CheckPayload(name(.interleaved, index), count: 32 * 1024)
            var plan = ConversationPlan("connection \(index)", payload)
            plan.stops = [64]
            plan.meetsOthers = true
            plan.chunk = 1000
            plan.receiveLimit = 4096
            return plan
        }
    }

    // The connections that stay are numbered first.
    private var resets: [ConversationPlan] {
        let staying = max(2, connections / 10)
        return (0..<staying + connections / 2).map { index in
            let payload = CheckPayload(name(.resets, index), count: 64_000)
            var plan = ConversationPlan("connection \(index)", payload)
            plan.receiveLimit = 4096
            if index < staying {
                plan.stops = Array(stride(from: 1000, to: 64_000, by: 1000))
            } else {
                plan.ending = .reset(after: 1 + index * 997 % 32_000)
            }
            return plan
        }
    }

    /// The urgent byte first, in the middle, last.
    private func urgent(_ index: Int) -> ConversationPlan {
        let count = 2001
        let offset = [0, count / 2, count - 1][index]
        var bytes = name(.urgent, index).pattern.bytes(count: count)
        if offset + 1 < count { bytes[offset] = ~bytes[offset + 1] }
        let place = ["first", "in the middle", "last"][index]
        var plan = ConversationPlan(
            "the connection with the urgent byte \(place)",
            CheckPayload(name(.urgent, index), bytes: bytes)
        )
        plan.urgentOffset = offset
        return plan
    }

    private var churn: [ConversationPlan] {
        (0..<connections * 3 / 2).map { index in
            let payload = CheckPayload(name(.churn, index), count: 1000)
            var plan = ConversationPlan("connection \(index)", payload)
            plan.ending = index.isMultiple(of: 2) ? .close : .halfCloseAfterEcho
            return plan
        }
    }

    /// What was seen when the check passed.
    func evidence(of check: Check, _ ends: [ConversationEnd]) -> String {
        switch check {
        case .empty: "the server's end came after the client's, and nothing else"
        case .oneByte: "it came back, and the end after the client's"
        case .allBytes: "256 of 256 values came back"
        case .sizes:
            "\(sizesAroundPowers.count) sizes from 1 to \(sizesAroundPowers.last ?? 0) bytes "
                + "came back"
        case .halfClose:
            Self.tails(size).map(String.init).joined(separator: ", ")
                + " bytes came back, and the end after each"
        case .slowReader: "\(size) bytes came back, and the end"
        case .sendFirst: "\(Self.sentFirst) bytes came back to a client that had read nothing"
        case .interleaved:
            "\(ends.count) connections received \(ends.count * 32 * 1024) bytes, each its own"
        case .resets:
            "\(ends.count - connections / 2) connections received all of their 64000 bytes while "
                + "\(connections / 2) others reset"
        case .urgent: urgentEvidence(ends)
        case .churn: "\(ends.count) connections received 1000 bytes each"
        case .udpByte, .udpEmpty, .udpBytes, .udpSizes, .udpLarge, .udpOnce, .udpSource,
            .udpClients, .udpBurst:
            ""
        }
    }

    private func urgentEvidence(_ ends: [ConversationEnd]) -> String {
        let lost = ends.count { $0 == .complete(urgentWasLost: true) }
        let others = "all other bytes came back"
        if lost == 0 { return "\(others), and the urgent byte in its place" }
        if lost == ends.count {
            return "\(others); the urgent byte did not (the server does not receive it inline)"
        }
        return "\(others); the urgent byte on \(ends.count - lost) of \(ends.count) connections"
    }
}
