import EchoSockets

/// Where a worker of a completion port waits, and what the port keeps of it.
///
/// For its worker's thread and, under the port's monitor, for all.
@safe
final class Seat: @unchecked Sendable {
    struct Memory {
        var isRunning = false
        var isParked = false
    }

    let edges = EdgeBuffer()
    let condition = Condition()
    // Of its worker's thread, and nothing is called while it is used: no run-time check.
    @exclusivity(unchecked) var polling: BusyPolling
    /// Memory of its own, so that using it needs no exclusivity check; guarded by the monitor.
    let memory: UnsafeMutablePointer<Memory>

    init(_ polling: BusyPolling) {
        unsafe self.polling = polling
        unsafe memory = .allocate(capacity: 1)
        unsafe memory.initialize(to: Memory())
    }

    deinit {
        unsafe memory.deallocate()
    }

    var isRunning: Bool { unsafe memory.pointee.isRunning }
    var isParked: Bool { unsafe memory.pointee.isParked }

    /// Takes a place in the parking place.
    func park() {
        unsafe memory.pointee.isParked = true
    }

    /// Leaves it.
    func unpark() {
        unsafe memory.pointee.isParked = false
    }

    func startRunning() {
        unsafe memory.pointee.isRunning = true
    }

    /// - Returns: whether it was running.
    func stopRunning() -> Bool {
        guard unsafe memory.pointee.isRunning else { return false }
        unsafe memory.pointee.isRunning = false
        return true
    }
}
