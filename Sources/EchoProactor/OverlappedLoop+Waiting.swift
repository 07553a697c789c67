import EchoSockets
package import EchoWinsock
import Glibc

extension OverlappedLoop {
    /// Waits until one of the events of a set is signalled.
    ///
    /// The corresponding Winsock function is `WSAWaitForMultipleEvents`.
    ///
    /// The lowest index wins, every time: a busy event starves those behind it unless the caller
    /// looks at these as well (ES-9, PF-15).
    ///
    /// - Parameters:
    ///   - events: what to wait for, of this thread.
    ///   - timeout: how long to wait; `nil` for ever, zero not at all.
    ///   - alertable: whether completion routines run meanwhile, and end the wait.
    /// - Returns: what ended the wait.
    package func wait(
        for events: EventSet,
        timeout: Duration? = nil,
        alertable: Bool = false
    ) -> WaitResult {
        guard !events.isEmpty else { return .noEvents }
        // Events before routines (CR-4).
        if let first = events.firstSignalled() { return .signalled(first) }
        let deadline = Deadline(after: timeout)
        var hasLooked = false
        while true {
            if let ended = pass(until: deadline, alertable, &hasLooked) { return ended }
            if let first = events.firstSignalled() { return .signalled(first) }
        }
    }

    /// Waits for nothing but time and, if alertable, routines.
    ///
    /// The corresponding Windows function is `SleepEx`.
    ///
    /// Transfers are carried out in either case, as they would be by a kernel; without `alertable`
    /// no routine runs (CR-1).
    ///
    /// - Parameters:
    ///   - timeout: how long; `nil` for ever, zero runs what is queued.
    ///   - alertable: whether routines may run and end the wait.
    /// - Returns: `.routinesRan` or `.timedOut`.
    package func sleep(for timeout: Duration?, alertable: Bool) -> WaitResult {
        let deadline = Deadline(after: timeout)
        var hasLooked = false
        while true {
            if let ended = pass(until: deadline, alertable, &hasLooked) { return ended }
        }
    }

    /// Has a body run on the loop's thread, in its next alertable wait.
    ///
    /// The corresponding Windows function is `QueueUserAPC`. Any thread.
    package func queue(_ body: @escaping @Sendable () -> Void) {
        if pthread_equal(thread, pthread_self()) != 0 {
            append(body)
        } else if mail.put(body) {
            epoll.wake()
        }
    }

    /// Runs what is queued, or does one thing that may lead on.
    ///
    /// - Returns: what ends the wait, if it does.
    private func pass(
        until deadline: Deadline,
        _ alertable: Bool,
        _ hasLooked: inout Bool
    ) -> WaitResult? {
        if alertable, withMemory({ unsafe !$0.routines.isEmpty }) {
            runRoutines()
            return .routinesRan
        }
        let hasTurns = withMemory { $0.hasTurns }
        if hasLooked, !hasTurns, deadline.hasPassed { return .timedOut }
        if !hasTurns || !serveTurn() {
            look(until: hasTurns ? .now : deadline)
            hasLooked = true
        }
        return nil
    }

    /// Gives a socket its turn, unless a look must come first.
    ///
    /// - Returns: whether one had it.
    private func serveTurn() -> Bool {
        guard let next = withMemory({ $0.nextTurn() }) else { return false }
        serve(next, [], isQueued: true)
        return true
    }

    /// Waits for edges and serves their sockets.
    private func look(until deadline: Deadline) {
        let isBehind = closing.beginTurn()
        let count: Int
        if let timer = withMemory({ $0.timers.next }), !isBehind, deadline.isAfter(timer) {
            count = epoll.wait(edges, until: timer)
        } else {
            count = withMemory { memory in
                epoll.wait(edges, until: isBehind ? .now : deadline, &memory.polling)
            }
        }
        for index in 0..<count {
            let (word, readiness) = edges[index]
            if word == Epoll.wakeWord {
                takeMail()
            } else {
                serve(SocketHandle(word: word), readiness, isQueued: false)
            }
        }
        withMemory { $0.beginRound() }
        if withMemory({ !$0.timers.isEmpty }) { expireTimers() }
    }

    private func takeMail() {
        for body in mail.take() { append(body) }
    }

    private func append(_ body: @escaping () -> Void) {
        let operation = Operation()
        operation.routine = { _, _, _ in body() }
        withMemory { unsafe $0.routines.append(.passRetained(operation)) }
    }

    /// How many routines may run before other sockets get a turn (CR-9).
    private static var routinesPerTurn: Int { 64 }
    /// How many times a wait looks for what the sockets have to say while it runs routines.
    private static var looksPerWait: Int { 16 }

    /// Runs what is queued, and what that queues (CR-3); and lets the sockets whose turn has come
    /// have it, so that their routines need no wait of their own.
    ///
    /// Where there is always more, it ends with what is queued at the last look: its caller has
    /// other things to do.
    private func runRoutines() {
        var looks = Self.looksPerWait
        var left = Int.max
        var turns = withMemory { $0.turns.count + $0.spent.count }
        var budget = Self.routinesPerTurn
        while left > 0 {
            if budget == 0, looks > 0 {
                // Routines that queue routines must not keep the other sockets out (CR-9).
                budget = Self.routinesPerTurn
                turns = max(turns, 1)
                look(until: .now)
                looks -= 1
                if looks == 0 { left = withMemory { unsafe $0.routines.count } }
            } else if let next = unsafe withMemory({ unsafe $0.routines.popFirst() }) {
                unsafe next._withUnsafeGuaranteedRef { $0.runRoutine() }
                unsafe next.release()
                budget -= 1
                left -= 1
            } else if turns > 0, serveTurn() {
                turns -= 1
            } else {
                return
            }
        }
    }
}
