import EchoSockets
import Glibc

/// Drives the connections of a check on the calling thread, with poll(2).
@safe final class ConversationLoop {
    /// The results of the connections.
    struct Report {
        /// How each ended, in the order of the plans.
        var ends: [ConversationEnd] = []
        /// The first failure.
        var firstFailure: String?
        /// How many failed.
        var failures = 0
    }

    private let address: SocketAddress
    private let limit: Duration
    private let deadline: MonotonicTime
    private let buffer: UnsafeMutableRawBufferPointer
    private var plans: [ConversationPlan] = []
    private var ends: [ConversationEnd?] = []
    private var live: [Conversation] = []
    private var started = 0
    private var report = Report()

    /// How many connections may wait for the server's first byte at once: backlogs are short.
    private let window = 16

    /// - Parameters:
    ///   - address: the server.
    ///   - limit: the time limit for everything it runs, from now on.
    init(_ address: SocketAddress, limit: Duration) {
        self.address = address
        self.limit = limit
        deadline = .now + limit
        unsafe buffer = .allocate(byteCount: 64 * 1024, alignment: 16)
    }

    deinit {
        unsafe buffer.deallocate()
    }

    /// Runs the plans concurrently, each on a connection of its own, until they end or the deadline
    /// passes.
    ///
    /// - Throws: a failure on this side that says nothing about the server, such as `EMFILE`.
    func run(_ plans: [ConversationPlan]) throws(SystemError) -> Report {
        self.plans = plans
        ends = plans.map { _ in nil }
        report = Report()
        started = 0
        defer { live = [] }
        while started < plans.count || !live.isEmpty {
            let mustRetry = try !openMore()
            let now = MonotonicTime.now
            if now >= deadline {
                expire()
                break
            }
            try turn(at: now, mustRetry: mustRetry)
            meet()
        }
        report.ends = ends.map { $0 ?? .failed("") }
        return report
    }

    // Whether all connections allowed now are open.
    private func openMore() throws(SystemError) -> Bool {
        var opening = live.count { $0.isOpening }
        while started < plans.count, opening < window {
            let plan = plans[started]
            let socket = try Socket(family: address.family)
            if address.family != AF_UNIX { try socket.setNoDelay() }
            let conversation = Conversation(plan, index: started, socket: socket)
            do {
                if try conversation.socket.connect(to: address) {
                    unsafe conversation.begin(buffer, at: .now)
                }
                live.append(conversation)
                opening += 1
            } catch  where error.errno.isWouldBlock {
                return false  // The queue of a Unix socket is full, unix(7).
            } catch {
                try refuse(conversation, error)
            }
            started += 1
        }
        return true
    }

    private func refuse(
        _ conversation: Conversation,
        _ error: SystemError
    ) throws(SystemError) {
        switch error.errno.rawValue {
        case EADDRNOTAVAIL, EADDRINUSE, ENOBUFS, ENOMEM, EMFILE, ENFILE: throw error
        default:
            finish(conversation, .failed("\(conversation.plan.label) failed: \(error)"))
        }
    }

    private func turn(at now: MonotonicTime, mustRetry: Bool) throws(SystemError) {
        var next = deadline
        if mustRetry { next = min(next, now + .milliseconds(5)) }
        var entries = live.map { conversation in
            let events = conversation.events(at: now)
            if let time = conversation.readTime, time > now { next = min(next, time) }
            // If no event is asked for, a broken connection would be reported endlessly (PF-7).
            let number = events == 0 ? -1 : conversation.socket.number
            return pollfd(fd: number, events: Int16(events), revents: 0)
        }
        let timeout = (next - now).millisecondsRoundedUp
        try systemCall("poll") { unsafe poll(&entries, nfds_t(entries.count), timeout) }
        let moment = MonotonicTime.now
        for (entry, conversation) in zip(entries, live) where entry.revents != 0 {
            try handle(conversation, Int32(entry.revents), at: moment)
        }
        live.removeAll { ends[$0.index] != nil }
    }

    private func handle(
        _ conversation: Conversation,
        _ events: Int32,
        at now: MonotonicTime
    ) throws(SystemError) {
        if conversation.isConnecting {
            if let error = conversation.socket.takeError() {
                return try refuse(conversation, SystemError(call: "connect", errno: error))
            }
            unsafe conversation.begin(buffer, at: now)
        } else if let end = unsafe conversation.handle(events, buffer, at: now) {
            finish(conversation, end)
        }
    }

    private func finish(_ conversation: Conversation, _ end: ConversationEnd) {
        ends[conversation.index] = end
        guard case .failed(let text) = end else { return }
        note(text)
    }

    private func note(_ failure: String) {
        report.failures += 1
        if report.firstFailure == nil { report.firstFailure = failure }
    }

    // Releases the connections that wait for each other, once all have arrived.
    private func meet() {
        guard started == plans.count, live.contains(where: \.isAtMeeting),
            live.allSatisfy({ !$0.plan.meetsOthers || $0.isAtMeeting })
        else { return }
        for conversation in live {
            conversation.othersAreThere = true
            unsafe conversation.send(buffer)
        }
    }

    // Connections that wait for others are not at fault, and come last.
    private func expire() {
        let culprits = live.filter { !$0.isAtMeeting } + live.filter(\.isAtMeeting)
        for conversation in culprits {
            finish(conversation, .failed(conversation.unfinished(after: limit)))
        }
        for plan in plans[started...] {
            note("\(plan.label) was not opened within \(limit.inSeconds)")
        }
    }
}
