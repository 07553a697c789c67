import EchoClient
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
    private let stop = ClientStop()

    /// Starts so many clients.
    init(_ count: Int, seed: UInt64, against subject: Subject) throws(SystemError) {
        try Thread(name: "fault clients", stackSize: testStackSize) { [self] in
            outcome.complete(
                Result { () throws(SystemError) in
                    let loop = try ClientLoop(stop)
                    let run = CrowdRun(loop, count, seed: seed, against: subject)
                    return try run.run { isEnding.load(ordering: .acquiring) }
                }
            )
        }.detach()
    }

    /// Lets the clients under way come to their end, starts no further ones, and says what came
    /// of all.
    func end() async throws -> CrowdTotals {
        isEnding.store(true, ordering: .releasing)
        stop.wake()
        return try await outcome.value.get()
    }
}

/// A crowd on the thread of its loop.
private final class CrowdRun: ScriptedClientUser {
    /// How long a client may go without any progress before it is counted as lost.
    private static let limit = Duration.seconds(60)

    private let loop: ClientLoop
    private let count: Int
    private let seed: UInt64
    private let subject: Subject
    private var clients: [Int: ScriptedClient] = [:]
    private var started = 0
    private var waits = false
    private var totals = CrowdTotals()

    init(_ loop: ClientLoop, _ count: Int, seed: UInt64, against subject: Subject) {
        self.loop = loop
        self.count = count
        self.seed = seed
        self.subject = subject
    }

    func run(until isEnding: () -> Bool) throws(SystemError) -> CrowdTotals {
        var failure: SystemError?
        watch()
        loop.run {
            if isEnding() { return clients.isEmpty }
            do throws(SystemError) {
                while clients.count < count, !waits { try open() }
            } catch {
                failure = error
            }
            return failure != nil
        }
        for client in clients.values { client.close() }
        if let failure { throw failure }
        return totals
    }

    private func open() throws(SystemError) {
        let client = ScriptedClient(loop, index: started, seed: seed, user: self)
        switch try client.open(to: subject) {
        case .started:
            clients[started] = client
        case .queueFull:
            client.close()
            return waitABit()
        case .failed(let error) where error.errno.rawValue == ECONNREFUSED:
            client.close()
            totals.lost += 1
            totals.fail("client \(started): connection refused")
            waitABit()
        case .failed(let error):
            client.close()
            throw error
        }
        started += 1
        totals.connections += 1
    }

    // Before the next attempt: nothing tells when a queue has room, or a server is back.
    private func waitABit() {
        waits = true
        loop.at(.now + .milliseconds(2)) { [weak self] in self?.waits = false }
    }

    private func watch() {
        let now = MonotonicTime.now
        for client in Array(clients.values) where now - client.lastProgress > Self.limit {
            client.giveUp()
        }
        loop.at(now + .seconds(1)) { [weak self] in self?.watch() }
    }

    // MARK: ScriptedClientUser

    func verified(_ count: Int) {
        totals.bytesVerified += count
    }

    func ended(_ client: ScriptedClient, _ outcome: ScriptedClient.Outcome) {
        clients[client.index] = nil
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
