import EchoWinsock

extension CompletionPort {
    /// How many threads wait for a packet.
    package var waitingCount: Int {
        monitor.withLock { guarded { $0.polling + $0.parked.count } }
    }

    /// How many threads handle packets.
    package var runningCount: Int { monitor.withLock { guarded { $0.running } } }

    /// How many packets and turns are queued.
    package var queuedCount: Int {
        monitor.withLock { guarded { $0.queue.count + $0.spent.count } }
    }
}
