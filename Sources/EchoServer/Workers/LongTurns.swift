import EchoWinsock

/// Connections whose next turn is long, as the last was: they wait while others have theirs (PR-5).
///
/// After a few of them the thread asks who has become ready meanwhile: beside receiving and sending
/// 64 KiB as often, that costs little.
struct LongTurns: ~Copyable {
    /// How many come between two questions.
    static var perLook: Int { 4 }

    private var waiting = Ring<SocketHandle>(capacity: 8)

    /// Whether nobody waits.
    var isEmpty: Bool { waiting.isEmpty }

    /// Puts a connection in line, which must not wait already.
    mutating func append(_ connection: SocketHandle) {
        waiting.append(connection)
    }

    /// Gives the longest waiting their turn.
    ///
    /// - Parameters:
    ///   - count: how many of them.
    ///   - body: called for each; the connection may have ended.
    mutating func take(atMost count: Int = perLook, _ body: (SocketHandle) -> Void) {
        for _ in 0..<count {
            guard let next = waiting.popFirst() else { return }
            body(next)
        }
    }
}
