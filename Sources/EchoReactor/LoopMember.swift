import EchoWinsock

/// What a loop tells, at the end of a turn, that the turn has brought it something.
///
/// The loop does not keep it alive: whoever is in one of its lists leaves before it goes.
@safe
package class LoopMember {
    // The next in the loop's list of those that have something to tell.
    final var nextFresh: Unmanaged<LoopMember>?

    /// Tells what the turn has brought.
    func tellFresh() {}

    /// The host's addresses or routes have changed.
    func hostChanged(_ events: NetworkEvents) {}
}

@available(*, unavailable)
extension LoopMember: Sendable {}
