import Synchronization

/// A lock of four bytes: every socket has one of its own.
///
/// Almost never contended, since a socket is rarely used by two threads at once. A thread that
/// finds it taken spins for about as long as a system call takes, then sleeps in a parking place
/// that all these locks share.
struct SlotLock: ~Copyable {
    private static let parkingPlace = ParkingPlace()

    // 0 free, 1 taken, 2 taken and somebody may be asleep.
    private let word = Atomic<UInt32>(0)

    @inline(__always)
    func lock() {
        if !word.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged {
            lockContended()
        }
    }

    @inline(__always)
    func unlock() {
        if word.exchange(0, ordering: .releasing) == 2 {
            Self.parkingPlace.wakeAll()
        }
    }

    @inline(never)
    private func lockContended() {
        for _ in 0..<200 {
            if word.load(ordering: .relaxed) == 0,
                word.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged
            {
                return
            }
        }
        let place = Self.parkingPlace
        place.monitor.lock()
        // The unlocking thread must enter the monitor to wake: it cannot slip in between.
        while word.exchange(2, ordering: .acquiring) != 0 {
            place.condition.wait(place.monitor)
        }
        place.monitor.unlock()
    }
}

private final class ParkingPlace: Sendable {
    let monitor = Monitor()
    let condition = Condition()

    func wakeAll() {
        monitor.withLock { condition.broadcast() }
    }
}
