import EchoWinsock

extension CompletionPort {
    /// What the monitor guards: memory of its own, so that using it needs no exclusivity check.
    struct Memory: ~Copyable {
        /// How many turns may be spent between two polls.
        private static var spentTurnsPerPoll: Int { 2 }

        /// Completions, and sockets that wait for their turn.
        var queue = Ring<Packet>()
        /// Sockets that have spent a turn and wait for another.
        var spent = Ring<Packet>(capacity: 8)
        var parked: [Seat] = []
        /// Released from the parking place, and on their way.
        var arriving = 0
        var running = 0
        var polling = 0
        var isWakePending = false
        var isClosed = false
        private var takenSincePoll = 0
        // What was queued at the last poll and has not been taken since.
        private var leftOfRound = 0
        // How many of the spent may have their turn before the next poll.
        private var spentLeft = 0
        // None of them has had it between the last two polls.
        private var isSpentDue = false

        /// Whether nothing waits to be taken.
        var isIdle: Bool { queue.isEmpty && spent.isEmpty }

        /// Whether to ask epoll before anything else is taken (PR-5).
        ///
        /// A spent turn took as long as 64 KiB do, beside which a poll costs little: after two of
        /// them, those come first that have become ready meanwhile. Other turns are had by each
        /// that waited at the last poll. What is only to be handed over takes less, and waits for
        /// nothing.
        var isPollDue: Bool {
            guard polling == 0 else { return false }
            guard let next = queue.first else { return spentLeft <= 0 && !spent.isEmpty }
            return takenSincePoll >= EdgeBuffer.capacity || leftOfRound <= 0 && next.isTurn
        }

        /// Takes what is to be done next; `nil` if there is nothing, or a poll must come first.
        mutating func next() -> Packet? {
            takenSincePoll += 1
            if spentLeft > 0 || polling > 0, !spent.isEmpty, queue.isEmpty || isSpentDue {
                spentLeft -= 1
                isSpentDue = false
                return spent.popFirst()
            }
            leftOfRound -= 1
            return queue.popFirst()
        }

        /// Notes that epoll has been asked, and that what it said is queued.
        mutating func endPoll() {
            polling -= 1
            takenSincePoll = 0
            leftOfRound = queue.count
            isSpentDue = spentLeft == Self.spentTurnsPerPoll && !spent.isEmpty
            spentLeft = Self.spentTurnsPerPoll
        }
    }
}
