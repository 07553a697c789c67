import EchoWinsock

extension CompletionPort {
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
}
