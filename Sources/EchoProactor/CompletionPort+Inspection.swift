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
    /// A worker comes.
    func join(_ seat: Seat) {
        monitor.withLock { guarded { $0.seats.append(seat) } }
    }

    /// A worker leaves.
    func leave(_ seat: Seat) {
        suspend(seat)
        monitor.withLock { guarded { $0.seats.removeAll { $0 === seat } } }
    }

    /// Closes the port: every thread that waits for a packet, now or later, is told so (CP-4).
    ///
    /// Sockets stay open until they are closed or the port goes away; to lose no packet, close them
    /// and dequeue what is left first (CP-9). The corresponding Winsock function is `CloseHandle`.
    package func close() {
        monitor.lock()
        guarded { memory in
            memory.isClosed = true
            while !memory.parked.isEmpty { Self.unpark(&memory) }
        }
        unlockAndWake(unsafe memory.pointee.polling > 0)
    }

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
