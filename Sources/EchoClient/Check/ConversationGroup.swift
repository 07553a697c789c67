import EchoProactor
import EchoSockets
import Glibc

/// The connections of one step of a check, which run concurrently on a client's loop.
///
/// Belongs to the loop's thread.
final class ConversationGroup {
    /// The results of the connections.
    struct Report {
        /// How each ended, in the order of the plans.
        var ends: [ConversationEnd] = []
        /// What was wrong with the first that failed, and what was seen.
        var firstFailure: (fault: EchoCheck.Fault, evidence: String)?
        /// How many failed.
        var failures = 0
    }

    /// How many connections may wait for the server's first byte at once: backlogs are short.
    private static let window = 16

    private let loop: ClientLoop
    private let address: SocketAddress
    private let plans: [ConversationPlan]
    private var conversations: [Conversation?] = []
    private var ends: [ConversationEnd?]
    private var left: Int
    private var opening = 0
    // Of the connections that meet, how many have arrived, and how many are yet to end.
    private var arrivals = 0
    private var expected: Int
    private let retry = EchoProactor.Operation()
    private var report = Report()
    private var failure: SystemError?

    /// - Parameters:
    ///   - loop: whose thread it is for.
    ///   - address: the server.
    ///   - plans: what the connections do.
    init(_ loop: ClientLoop, _ address: SocketAddress, _ plans: [ConversationPlan]) {
        self.loop = loop
        self.address = address
        self.plans = plans
        ends = plans.map { _ in nil }
        left = plans.count
        expected = plans.count { $0.meetsOthers }
        retry.routine = { _, _, _ in }
    }

    /// Runs until the connections end, the deadline passes, or the loop is told to end.
    ///
    /// - Parameters:
    ///   - deadline: when whatever has not ended is late.
    ///   - limit: how long that is after the check's start.
    /// - Returns: how the connections ended; incomplete if the loop was told to end.
    /// - Throws: a failure on this side that says nothing about the server, such as `EMFILE`.
    func run(until deadline: MonotonicTime, limit: Duration) throws(SystemError) -> Report {
        defer { closeAll() }
        loop.run(until: deadline) {
            openMore()
            meet()
            return left == 0 || failure != nil
        }
        if let failure { throw failure }
        if !loop.isStopped { expire(limit) }
        report.ends = ends.compactMap(\.self)
        return report
    }

    private func openMore() {
        while conversations.count < plans.count, opening < Self.window, failure == nil,
            !retry.isPending
        {
            let index = conversations.count
            let conversation = Conversation(loop, plans[index], index: index, events: self)
            let attempt = conversation.open(to: address)
            if case .queueFull = attempt {
                // Nothing tells when the queue of a Unix socket is not full any more.
                loop.loop.wait(retry, until: .now + .milliseconds(5))
                return
            }
            conversations.append(conversation)
            opening += 1
            if case .failed(let error) = attempt { refused(conversation, error) }
        }
    }

    // Releases the connections that wait for each other, once all have arrived.
    private func meet() {
        guard arrivals > 0, arrivals == expected, conversations.count == plans.count else { return }
        arrivals = 0
        for conversation in conversations { conversation?.proceed() }
    }

    private func note(_ fault: EchoCheck.Fault, _ evidence: String) {
        report.failures += 1
        if report.firstFailure == nil { report.firstFailure = (fault, evidence) }
    }

    // Connections that wait for others are not at fault, and come last.
    private func expire(_ limit: Duration) {
        let live = conversations.compactMap(\.self)
        for conversation in live.filter({ !$0.isAtMeeting }) + live.filter(\.isAtMeeting) {
            note(.late, conversation.unfinished(after: limit))
        }
        for plan in plans[conversations.count...] {
            note(.late, "\(plan.label) was not opened within \(limit.inSeconds)")
        }
    }

    private func closeAll() {
        for conversation in conversations { conversation?.close() }
        conversations = []
        loop.loop.cancelWait(retry)
        // Lets go of what was pending.
        _ = loop.loop.sleep(for: .zero, alertable: true)
    }
}

extension ConversationGroup: ConversationEvents {
    func served(_ conversation: Conversation) {
        opening -= 1
    }

    func refused(_ conversation: Conversation, _ error: SystemError) {
        conversation.close()
        let shortages = [EADDRNOTAVAIL, EADDRINUSE, ENOBUFS, ENOMEM, EMFILE, ENFILE]
        if error.call.description != "connect" || shortages.contains(error.errno.rawValue) {
            failure = error
        } else {
            ended(conversation, .failed(.refused, "\(conversation.plan.label) failed: \(error)"))
        }
    }

    func arrived(_ conversation: Conversation) {
        arrivals += 1
    }

    func ended(_ conversation: Conversation, _ end: ConversationEnd) {
        if conversation.isOpening { opening -= 1 }
        if conversation.isAtMeeting { arrivals -= 1 }
        if conversation.plan.meetsOthers { expected -= 1 }
        conversations[conversation.index] = nil
        ends[conversation.index] = end
        left -= 1
        if case .failed(let fault, let evidence) = end { note(fault, evidence) }
    }
}
