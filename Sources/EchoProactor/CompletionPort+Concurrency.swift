import EchoWinsock

/// Counting the threads that handle packets, so that there are not too many (CP-3).
extension CompletionPort {
    func startRunning(_ seat: Seat) {
        seat.startRunning()
        unsafe memory.pointee.running += 1
    }

    func stopRunning(_ seat: Seat) {
        if seat.stopRunning() { unsafe memory.pointee.running -= 1 }
    }

    /// A worker blocks: another may run in its place.
    func suspend(_ seat: Seat) {
        monitor.lock()
        stopRunning(seat)
        if unsafe !memory.pointee.isIdle { return unlockAndWake(releaseWaiter()) }
        if mayPoll { guarded { Self.unpark(&$0) } }
        monitor.unlock()
    }

    /// A worker goes on; for a while there may be more than the limit.
    func resume(_ seat: Seat) {
        monitor.withLock { startRunning(seat) }
    }
}
