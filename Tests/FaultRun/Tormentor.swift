import EchoSockets
import EchoTestSupport
import Glibc
import Synchronization

/// What was done to a server from outside.
struct TormentTotals: Sendable {
    var stops = 0
    var signals = 0
    var shortages = 0
    var stormConnections = 0
    var failure: String?

    var faults: Int { stops + signals + shortages + stormConnections }
}

/// Stops and continues a server, interrupts it with signals, takes its descriptors away and storms
/// it with connections, one after the other, as the seed says.
final class Tormentor: Sendable {
    private let subject: Subject
    private let stops: StopClock
    private let stopping: Wakeup
    private let outcome = Completion<TormentTotals>()

    /// Starts on a thread of its own.
    init(of subject: Subject, seed: UInt64, stops: StopClock) throws(SystemError) {
        self.subject = subject
        self.stops = stops
        stopping = try Wakeup()
        try Thread(name: "tormentor", stackSize: testStackSize) { [self] in
            outcome.complete(run(seed))
        }.detach()
    }

    /// Undoes the fault under way, and says how many there were.
    func end() async -> TormentTotals {
        stopping.signal()
        return await outcome.value
    }

    private func run(_ seed: UInt64) -> TormentTotals {
        var random = SeededGenerator(seed: seed, stream: 0)
        var totals = TormentTotals()
        while letPass(random.spread(over: 5...200)) {
            do {
                switch Int.random(in: 0..<10, using: &random) {
                case 0..<3: stop(for: random.spread(over: 5...300), &totals)
                case 3..<6: interrupt(times: random.spread(over: 1...50), &random, &totals)
                case 6..<9: try starve(for: random.spread(over: 20...600), &random, &totals)
                default: try storm(of: random.spread(over: 10...300), &random, &totals)
                }
            } catch {
                totals.failure = "a fault could not be injected: \(error)"
                return totals
            }
        }
        return totals
    }

    // Whether to go on.
    private func letPass(_ milliseconds: Int) -> Bool {
        !isReadable(stopping.number, within: .milliseconds(milliseconds))
    }

    private func stop(for milliseconds: Int, _ totals: inout TormentTotals) {
        stops.stop()
        subject.process.send(signal: SIGSTOP)
        _ = letPass(milliseconds)
        subject.process.send(signal: SIGCONT)
        stops.resume()
        totals.stops += 1
    }

    // Those that are ignored, and those that a handler lets interrupt system calls.
    private func interrupt(
        times count: Int,
        _ random: inout SeededGenerator,
        _ totals: inout TormentTotals
    ) {
        let harmless = [SIGHUP, SIGPIPE, SIGWINCH, SIGURG, SIGCHLD, SIGCONT]
        let signals = harmless + subject.caughtRealTimeSignals
        for _ in 0..<count {
            guard let signal = signals.randomElement(using: &random) else { return }
            subject.process.send(signal: signal)
            totals.signals += 1
            guard letPass(1) else { return }
        }
    }

    // As many descriptors as it has, or some fewer: those it has it keeps.
    private func starve(
        for milliseconds: Int,
        _ random: inout SeededGenerator,
        _ totals: inout TormentTotals
    ) throws {
        let open = subject.figures.openDescriptorCount
        let fewer = Int.random(in: 0...20, using: &random)
        let limit = try limitDescriptors(of: subject.process.pid, to: max(open - fewer, 8))
        _ = letPass(milliseconds)
        try limitDescriptors(of: subject.process.pid, to: limit)
        totals.shortages += 1
    }

    // Connections that come all at once and go as they came: half of them with a reset.
    private func storm(
        of count: Int,
        _ random: inout SeededGenerator,
        _ totals: inout TormentTotals
    ) throws {
        let addresses = [subject.address, subject.unixAddress]
        for _ in 0..<count {
            let address = addresses.randomElement(using: &random) ?? subject.address
            let socket = try Socket(family: address.family)
            _ = try? socket.connect(to: address)
            if random.isLucky(0.5) { socket.setResetOnClose() }
            totals.stormConnections += 1
        }
    }
}
