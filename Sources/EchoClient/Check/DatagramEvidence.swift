/// What a datagram that was not sent says about the server.
struct DatagramEvidence {
    private let plan: DatagramPlan
    private let label: String

    /// - Parameters:
    ///   - plan: what the client sent that received it.
    ///   - isAlone: whether there is no other client.
    init(_ plan: DatagramPlan, isAlone: Bool) {
        self.plan = plan
        label = isAlone ? "the client" : "client \(plan.name.connection)"
    }

    /// Whether the bytes are those of a run.
    func recognises(_ bytes: [UInt8]) -> Bool { origin(of: bytes) != nil }

    private func origin(of bytes: [UInt8]) -> (name: PayloadName, offset: Int)? {
        PayloadName.origin(of: Array(bytes.prefix(32)), forDatagrams: true)
    }

    /// The most specific finding: whose bytes they are, or what has become of which datagram.
    func mismatch(_ bytes: [UInt8]) -> String {
        if let found = origin(of: bytes), found.name != plan.name {
            let number = found.offset >> DatagramPlan.numberShift
            return "\(label) received \(owner(found.name)) datagram \(number)"
        }
        guard let sent = plan.datagrams.max(by: { likeness($0, bytes) < likeness($1, bytes) })
        else { return "\(label) received \(counted(bytes.count, "byte")) without having sent any" }
        let what = "\(label)'s datagram of \(counted(sent.count, "byte")) came back"
        if let difference = ByteDifference(between: sent, and: bytes) {
            let length = bytes.count == sent.count ? "" : " with \(bytes.count) bytes, which"
            return length.isEmpty
                ? "\(what) changed: it \(difference)" : "\(what)\(length) \(difference)"
        }
        return bytes.count < sent.count
            ? "\(what) with its first \(counted(bytes.count, "byte")) only"
            : "\(what) with \(counted(bytes.count - sent.count, "byte")) more"
    }

    // How much speaks for it that bytes are the answer to a datagram.
    private func likeness(_ sent: [UInt8], _ bytes: [UInt8]) -> Int {
        let equal = zip(sent, bytes).prefix(64).count { $0 == $1 }
        return 2 * equal + (sent.count == bytes.count ? 1 : 0)
    }

    private func owner(_ name: PayloadName) -> String {
        if name.run != plan.name.run {
            return "run \(name.run)'s (check \(name.check.rawValue), client \(name.connection))"
        }
        return name.check == plan.name.check
            ? "client \(name.connection)'s"
            : "the check \(name.check.rawValue)'s (client \(name.connection))"
    }
}
