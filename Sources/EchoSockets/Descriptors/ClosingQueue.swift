import Synchronization

/// Closes descriptors, a few in each turn of a loop; the rest wait for later turns.
///
/// Closing a connection takes the kernel several times as long as an echo. When thousands end at
/// once, the remaining connections would otherwise wait until the last of them is closed. Any
/// thread.
package final class ClosingQueue: Sendable {
    private static let closesPerTurn = 16

    private let closedInTurn = Atomic<Int>(0)
    private let behind = Atomic<Bool>(false)
    private let waiting = Locked<[CInt]>([])

    /// A queue in which nothing waits.
    package init() {}

    deinit {
        for number in waiting.withLock({ $0 }) { _ = Descriptor(adopting: number) }
    }

    /// Closes a descriptor now or, if its turn has closed enough, in a later turn.
    package func close(_ descriptor: consuming Descriptor) {
        if !isBehind, closedInTurn.load(ordering: .relaxed) < Self.closesPerTurn {
            closedInTurn.add(1, ordering: .relaxed)
            _ = consume descriptor
            return
        }
        let number = descriptor.release()
        waiting.withLock { waiting in
            waiting.append(number)
            behind.store(true, ordering: .relaxed)
        }
    }

    /// Whether any descriptors wait.
    package var isBehind: Bool { behind.load(ordering: .relaxed) }

    /// Closes some of the waiting descriptors.
    ///
    /// Call it before each wait for events.
    ///
    /// - Returns: whether any are left, which requires another turn soon.
    package func beginTurn() -> Bool {
        closedInTurn.store(0, ordering: .relaxed)
        return isBehind && closeSome()
    }

    /// Closes all waiting descriptors.
    package func closeAll() {
        while beginTurn() {}
    }

    private func closeSome() -> Bool {
        let (batch, isLeft) = waiting.withLock { waiting in
            let batch = Array(waiting.suffix(Self.closesPerTurn))
            waiting.removeLast(batch.count)
            if waiting.isEmpty {
                // Thousands may have waited.
                waiting = []
                behind.store(false, ordering: .relaxed)
            }
            return (batch, !waiting.isEmpty)
        }
        closedInTurn.add(batch.count, ordering: .relaxed)
        for number in batch { _ = Descriptor(adopting: number) }
        return isLeft
    }
}
