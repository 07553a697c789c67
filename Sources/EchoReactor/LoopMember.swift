import EchoWinsock

/// An object that a loop notifies, at the end of a turn, of what the turn has brought.
///
/// The loop does not keep it alive: a member leaves the loop's lists before it is destroyed.
@safe
package class LoopMember {
    // The next in the loop's list of members with news.
    final var nextFresh: Unmanaged<LoopMember>?

    /// Delivers what the turn has brought.
    func tellFresh() {}

    /// The host's addresses or routes have changed.
    func hostChanged(_ events: NetworkEvents) {}
}

@available(*, unavailable)
extension LoopMember: Sendable {}
