/// What the workers of a port are at: for finding one that hangs.
package struct Standing: Sendable {
    /// For each worker, how often it has begun or ended handling something: odd while it handles.
    let turns: [UInt64]

    /// Whether every worker that was handling something at an earlier moment has come to the end of
    /// it.
    ///
    /// One that waits for packets is where it should be.
    package func hasMovedOn(since earlier: Standing) -> Bool {
        zip(turns, earlier.turns).allSatisfy { now, then in now != then || now.isMultiple(of: 2) }
    }
}

extension CompletionPort {
    /// What its workers are at now.
    ///
    /// Any thread.
    package var standing: Standing { monitor.withLock { Standing(turns: turns) } }
}
