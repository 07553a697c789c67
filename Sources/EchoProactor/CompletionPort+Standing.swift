import EchoWinsock

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
    /// Whether it has been closed.
    var isClosed: Bool { monitor.withLock { guarded { $0.isClosed } } }

    /// How many threads wait for a packet.
    package var waitingCount: Int {
        monitor.withLock { guarded { $0.polling + $0.parked.count } }
    }

    /// How many threads handle packets.
    package var runningCount: Int { monitor.withLock { guarded { $0.running } } }

    /// How many packets and turns are queued.
    package var queuedCount: Int { monitor.withLock { guarded { $0.queue.count } } }

    /// For each worker, how often it has begun or ended handling something: odd while it handles.
    var turns: [UInt64] {
        monitor.withLock { guarded { $0.seats.map { unsafe $0.memory.pointee.turns } } }
    }

    /// What its workers are at now.
    ///
    /// Any thread.
    package var standing: Standing { Standing(turns: turns) }
}
