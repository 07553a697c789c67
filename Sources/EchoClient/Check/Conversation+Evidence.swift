import EchoSockets

/// What a failed connection says about the server.
extension Conversation {
    private var count: Int { plan.payload.count }

    private var cameBack: String { "\(position) of \(counted(count, "byte"))" }

    /// An end that came too early.
    func endedEarly(_ how: String) -> String {
        guard position < count else {
            return hasHalfClosed
                ? "\(plan.label) \(how) instead of in good order, after all had come back"
                : "\(plan.label) \(how) although the client had not ended it"
        }
        let tail = hasHalfClosed ? ": the tail was lost at half-close" : ""
        return "\(plan.label) \(how) when \(cameBack) had come back\(tail)"
    }

    /// Bytes that are not the ones expected at ``position``.
    ///
    /// - Parameters:
    ///   - bytes: the bytes received, at most 32 of them.
    ///   - surplus: how many unexpected bytes followed the expected ones.
    /// - Returns: the most specific finding: their name, where they belong, or their values.
    func mismatch(_ bytes: [UInt8], surplus: Int) -> String {
        let name = plan.payload.name
        let found = PayloadName.origin(of: bytes)
        let place = "at offset \(position)"
        if let found, found.name != name {
            return "\(plan.label) received \(owner(found.name)) bytes \(place)"
                + (found.offset == position ? "" : "; they belong at its offset \(found.offset)")
        }
        if let offset = found?.offset, offset < position {
            return "\(plan.label) received the bytes of offset \(offset) again \(place)"
        }
        if surplus > 0 {
            return "\(plan.label) received \(counted(surplus, "byte")) more than the \(sent) sent"
        }
        if let offset = found?.offset, offset > position {
            return "\(plan.label) lacks \(counted(offset - position, "byte")) \(place)"
        }
        return
            "\(plan.label) received byte \(bytes[0]) instead of \(plan.payload[position]) \(place)"
    }

    private func owner(_ name: PayloadName) -> String {
        let own = plan.payload.name
        if name.run != own.run {
            return "run \(name.run)'s (check \(name.check.rawValue), connection \(name.connection))"
        }
        return name.check == own.check
            ? "connection \(name.connection)'s"
            : "the check \(name.check.rawValue)'s (connection \(name.connection))"
    }

    /// A connection that had not ended at the deadline: whatever had come was right.
    func unfinished(after span: Duration) -> String {
        let time = "within \(span.inSeconds)"
        if isConnecting { return "\(plan.label) was not opened \(time)" }
        if position == count {
            return "\(plan.label) was not ended by the server \(time), "
                + "though the client had ended it" + (count > 0 ? " and all had come back" : "")
        }
        let right = position > 0 ? ", all of them right" : ""
        let half = hasHalfClosed ? ", and the client had half-closed" : ""
        return "on \(plan.label), \(cameBack) came back \(time)\(right); "
            + "\(sent) had been sent\(half)"
    }
}

/// A number and what it counts, such as `1 byte` or `2 bytes`.
func counted(_ number: Int, _ noun: String) -> String {
    "\(number) \(noun)\(number == 1 ? "" : "s")"
}

extension Duration {
    /// Seconds with as many decimals, at most three, as there are, such as `10 s` or `1.5 s`.
    var inSeconds: String {
        let milliseconds = nanoseconds / 1_000_000
        var fraction = String(String(1000 + milliseconds % 1000).dropFirst())
        while fraction.last == "0" { fraction.removeLast() }
        return "\(milliseconds / 1000)\(fraction.isEmpty ? "" : ".")\(fraction) s"
    }
}
