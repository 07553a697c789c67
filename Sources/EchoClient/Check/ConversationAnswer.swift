/// How much of what one connection of a check sends has come back.
struct ConversationAnswer {
    /// Bytes that are not the ones expected.
    struct Mismatch {
        /// The first of them, at most 32.
        let bytes: [UInt8]
        /// How many bytes followed the expected ones; 0 if a byte is another one than expected.
        let surplus: Int
    }

    private let payload: CheckPayload
    private let urgentOffset: Int?
    /// The offset of the byte that is expected next.
    private(set) var position = 0
    /// Whether the byte sent as urgent data did not come back.
    private(set) var urgentWasLost = false

    /// Nothing yet.
    init(to plan: ConversationPlan) {
        payload = plan.payload
        urgentOffset = plan.urgentOffset
    }

    /// Whether everything has come back, except an urgent last byte.
    var isComplete: Bool {
        position == payload.count || (position == payload.count - 1 && position == urgentOffset)
    }

    /// Compares what was received with what is expected.
    ///
    /// - Parameters:
    ///   - bytes: what was received.
    ///   - sent: bytes that have been sent so far.
    /// - Returns: what is wrong, at ``position``; `nil` if nothing is.
    mutating func take(_ bytes: UnsafeRawBufferPointer, sent: Int) -> Mismatch? {
        var rest = unsafe bytes
        while true {
            let owed = min(rest.count, sent - position)
            let part = unsafe UnsafeRawBufferPointer(rebasing: rest[..<owed])
            guard let wrong = unsafe payload.firstMismatch(in: part, from: position) else {
                position += owed
                let surplus = rest.count - owed
                guard surplus > 0 else { return nil }
                let bytes = unsafe Array(rest.dropFirst(owed).prefix(32))
                return Mismatch(bytes: bytes, surplus: surplus)
            }
            unsafe rest = UnsafeRawBufferPointer(rebasing: rest[wrong...])
            position += wrong
            guard position == urgentOffset else {
                return Mismatch(bytes: unsafe Array(rest.prefix(32)), surplus: 0)
            }
            urgentWasLost = true
            position += 1
        }
    }
}
