import EchoSockets
import Glibc
package import Histogram

/// Measures servers in turn, on the calling thread.
package struct BenchRunner: Sendable {
    /// What a measurement has come to.
    package struct Progress: Sendable {
        /// Rounds that are over.
        package var done: Int
        /// Rounds of the measurement.
        package var total: Int
        /// The server of the round that begins.
        package var server: String
        /// Its load.
        package var load: EchoBench.Load
    }

    /// The servers; the first is the one that ratios refer to.
    package var servers: [EchoBench.Server]
    /// What their clients do.
    package var loads: [EchoBench.Load]
    /// Rounds of each server and load.
    package var rounds = 5
    /// How long a round is measured.
    package var roundTime = Duration.seconds(1)
    /// How long a round runs before.
    package var warmUp = Duration.milliseconds(250)
    /// The order of rounds, and the bytes, follow from it.
    package var seed = UInt64.random(in: 1...UInt64(1 << 53))
    /// Processors that servers may use; all if it is empty.
    package var serverProcessors: [Int] = []
    /// Processors that the clients may use; all if it is empty.
    package var clientProcessors: [Int] = []
    /// How long the clients poll before they sleep; `nil` for as long as a server would by default.
    package var clientPoll: Duration? = .zero

    /// A measurement.
    package init(_ servers: [EchoBench.Server], _ loads: [EchoBench.Load]) {
        self.servers = servers
        self.loads = loads
    }

    /// What came of it, without the names of things.
    package struct Outcome: Sendable {
        /// A result for each server and load.
        package var results: [EchoBench.Result] = []
        /// How much later than asked for the clients came to send.
        package var lateness = LoadTally.histogram
    }

    /// A round to be run.
    private struct Step {
        let server: Int
        let load: Int
    }

    // The servers of a load and a round follow each other, in random order: what disturbs the
    // machine for longer than a round disturbs all of them.
    private func steps() -> [Step] {
        var generator = SplitMix64(seed: seed)
        var steps: [Step] = []
        for _ in 0..<rounds {
            for load in loads.indices {
                let order = servers.indices.shuffled(using: &generator)
                steps += order.map { Step(server: $0, load: load) }
            }
        }
        return steps
    }

    /// Runs all rounds; blocks.
    ///
    /// - Parameters:
    ///   - stop: ends it early, after which the rounds so far are reported.
    ///   - observer: called before each round.
    /// - Returns: what was measured.
    package func run(_ stop: ClientStop, observer: (Progress) -> Void) -> Outcome {
        var outcome = Outcome()
        var sums = [Sum](repeating: Sum(), count: servers.count * loads.count)
        let steps = steps()
        let own = Processors.allowed
        if !clientProcessors.isEmpty { Processors.allow(clientProcessors) }
        defer { if !clientProcessors.isEmpty { Processors.allow(own) } }
        for (position, step) in steps.enumerated() {
            if stop.isStopped { break }
            let place = step.server * loads.count + step.load
            // A server that cannot be measured fails once, not in every round.
            if sums[place].failure != nil { continue }
            observer(
                Progress(
                    done: position,
                    total: steps.count,
                    server: servers[step.server].name,
                    load: loads[step.load]
                )
            )
            do throws(BenchError) {
                let round = try measure(step, position, stop)
                if !stop.isStopped { sums[place].add(round) }
            } catch {
                if !stop.isStopped { sums[place].failure = "\(error)" }
            }
        }
        for server in servers.indices {
            for load in loads.indices {
                let sum = sums[server * loads.count + load]
                outcome.results.append(sum.result(server, load, isOpen: loads[load].rate != nil))
                outcome.lateness.add(sum.lateness)
            }
        }
        return outcome
    }

    private func measure(
        _ step: Step,
        _ position: Int,
        _ stop: ClientStop
    ) throws(BenchError) -> Measured {
        let loop: ClientLoop
        do throws(SystemError) {
            loop = try ClientLoop(stop, polling: BusyPolling(clientPoll))
        } catch {
            throw BenchError("cannot run clients: \(error)")
        }
        let (server, processors) = (servers[step.server], serverProcessors)
        let target = try BenchTarget(server, processors: processors, loop, stop)
        defer { target.end() }
        let load = loads[step.load]
        let meter = ServerMeter(target.pid, load, isDatagram: target.isDatagram)
        let client = LoadClient(
            loop,
            target.address,
            isDatagram: target.isDatagram,
            load,
            seed: seed &+ UInt64(position)
        )
        let tally = client.run(
            warmUp: warmUp,
            duration: roundTime,
            atBegin: meter.begin,
            atEnd: meter.end
        )
        if tally.failedConnections + tally.lost > 0, let ended = target.ended {
            throw BenchError("\(server.name) \(ended)")
        }
        if tally.echoes == 0, let failure = tally.firstFailure {
            throw BenchError("no echo came back: \(failure)")
        }
        if tally.echoes == 0, target.isDatagram, tally.lost > 0 {
            throw BenchError("no echo came back: all \(tally.lost) datagrams were lost")
        }
        if tally.isUnanswered { throw BenchError("no echo came back") }
        return Measured(
            tally: tally,
            cost: meter.cost,
            position: position,
            load: load,
            isDatagram: target.isDatagram
        )
    }
}

/// What a round has measured.
private struct Measured {
    let tally: LoadTally
    let cost: EchoBench.ServerCost?
    let position: Int
    let load: EchoBench.Load
    let isDatagram: Bool

    var round: EchoBench.Round {
        var round = EchoBench.Round(
            position: position,
            seconds: tally.duration.fractionalSeconds,
            echoes: tally.echoes,
            bytes: tally.echoes * load.size,
            wrongBytes: tally.wrongBytes,
            failedConnections: tally.failedConnections,
            missedSends: load.rate == nil ? nil : tally.missedSends,
            lostDatagrams: isDatagram ? tally.lost : nil,
            p50: tally.service.percentile(50),
            p99: tally.service.percentile(99),
            p999: tally.service.percentile(99.9),
            clientProcessorSeconds: tally.clientTime.fractionalSeconds,
            server: cost
        )
        if load.rate != nil {
            round.responseP50 = tally.response.percentile(50)
            round.responseP99 = tally.response.percentile(99)
            round.responseP999 = tally.response.percentile(99.9)
        }
        return round
    }
}

/// The rounds of one server and load.
private struct Sum {
    var rounds: [EchoBench.Round] = []
    var service = LoadTally.histogram
    var response = LoadTally.histogram
    var lateness = LoadTally.histogram
    var failure: String?

    mutating func add(_ measured: Measured) {
        rounds.append(measured.round)
        service.add(measured.tally.service)
        response.add(measured.tally.response)
        lateness.add(measured.tally.lateness)
        if measured.tally.wrongBytes > 0 {
            failure = "wrong bytes: \(measured.tally.firstFailure ?? "")"
        }
    }

    func result(_ server: Int, _ load: Int, isOpen: Bool) -> EchoBench.Result {
        EchoBench.Result(
            subject: server,
            load: load,
            rounds: rounds,
            service: EchoBench.Latency(service),
            response: isOpen ? EchoBench.Latency(response) : nil,
            failure: failure
        )
    }
}
