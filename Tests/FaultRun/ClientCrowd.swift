import EchoSockets
import EchoTestSupport
import Glibc
import Synchronization

/// What came of the clients of a crowd.
struct CrowdTotals: Sendable {
    var connections = 0
    var bytesVerified = 0
    var wrongBytes = 0
    var lost = 0
    var resets = 0
    var abandoned = 0
    var halfCloses = 0
    var urgentBytes = 0
    /// The first few failures, in words.
    var failures: [String] = []

    /// What clients did that a server must put up with.
    var faults: Int { resets + abandoned + urgentBytes }

    mutating func fail(_ text: String) {
        if failures.count < 5 { failures.append(text) }
    }
}

/// Hundreds of clients at once, on one thread: as one ends, the next begins.
final class ClientCrowd: Sendable {
    private let outcome = Completion<Result<CrowdTotals, SystemError>>()
    private let isEnding = Atomic(false)
    private let progress = Locked(CrowdTotals())

    /// Starts so many clients.
    init(_ count: Int, seed: UInt64, against subject: Subject) throws(SystemError) {
        try Thread(name: "fault clients", stackSize: testStackSize) { [self] in
            outcome.complete(
                Result { () throws(SystemError) in
                    let loop = ClientLoop(count, seed: seed, against: subject)
                    return try loop.run(publishingTo: progress, until: isEnding)
                }
            )
        }.detach()
    }

    /// What has come of it so far.
    var current: CrowdTotals { progress.withLock { $0 } }

    /// Lets the clients under way come to their end, starts no further ones, and says what came
    /// of all.
    func end() async throws -> CrowdTotals {
        isEnding.store(true, ordering: .releasing)
        return try await outcome.value.get()
    }
}

/// The loop of a crowd.
///
/// `poll(2)` does for hundreds of clients, and keeps nothing that a fault could put out of step.
@safe private final class ClientLoop {
    /// How long a client may go without any progress before it is counted as lost.
    private static let limit = Duration.seconds(60)

    private let count: Int
    private let seed: UInt64
    private let subject: Subject
    private let buffer: UnsafeMutableRawBufferPointer
    private var clients: [ScriptedClient] = []
    private var started = 0
    private var totals = CrowdTotals()

    init(_ count: Int, seed: UInt64, against subject: Subject) {
        self.count = count
        self.seed = seed
        self.subject = subject
        unsafe buffer = .allocate(byteCount: 64 << 10, alignment: 16)
    }

    deinit {
        unsafe buffer.deallocate()
    }

    func run(
        publishingTo progress: borrowing Locked<CrowdTotals>,
        until isEnding: borrowing Atomic<Bool>
    ) throws(SystemError) -> CrowdTotals {
        while true {
            let ends = isEnding.load(ordering: .acquiring)
            while !ends, clients.count < count { try open() }
            if clients.isEmpty { return totals }
            turn()
            progress.withLock { $0 = totals }
        }
    }

    private func open() throws(SystemError) {
        do {
            clients.append(try ScriptedClient(index: started, seed: seed, to: subject))
        } catch  where error.errno.rawValue == ECONNREFUSED {
            totals.lost += 1
            totals.fail("client \(started): connection refused")
        }
        started += 1
        totals.connections += 1
    }

    private func turn() {
        let now = MonotonicTime.now
        var isPausing = false
        var entries = clients.map { client in
            let events = client.interest(now)
            if events & POLLIN == 0 || events == 0 { isPausing = true }
            // Without events it is left out: a hang-up would be reported all the same (PF-7).
            return pollfd(fd: events == 0 ? -1 : client.number, events: Int16(events), revents: 0)
        }
        let timeout: CInt = isPausing ? 2 : 100
        _ = transferCall { unsafe Int(poll(&entries, nfds_t(entries.count), timeout)) }
        let woken = MonotonicTime.now
        var remaining: [ScriptedClient] = []
        remaining.reserveCapacity(clients.count)
        for (client, entry) in zip(clients, entries)
        where settle(client, Int32(entry.revents), woken) {
            remaining.append(client)
        }
        clients = remaining
    }

    // Whether the client goes on.
    private func settle(_ client: ScriptedClient, _ events: Int32, _ now: MonotonicTime) -> Bool {
        let before = client.received
        var outcome: ScriptedClient.Outcome?
        if events != 0 {
            outcome = unsafe client.handle(events, buffer, now)
        } else if now - client.lastProgress > Self.limit {
            outcome = client.stuck
        }
        totals.bytesVerified += client.received - before
        guard let outcome else { return true }
        totals.urgentBytes += client.urgentBytes
        switch outcome {
        case .completed: countEnding(client.script.ending)
        case .lost(let text):
            totals.lost += 1
            totals.fail(text)
        case .wrong(let count, let text):
            totals.wrongBytes += count
            totals.fail(text)
        }
        return false
    }

    private func countEnding(_ ending: ClientScript.Ending) {
        switch ending {
        case .halfClose: totals.halfCloses += 1
        case .close: break
        case .reset: totals.resets += 1
        case .abandon: totals.abandoned += 1
        }
    }
}
