import ArgumentParser
import EchoClient
import EchoSockets

/// How a measurement is made.
struct BenchMeasuringOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Rounds of each server and load, 1 to 1000. (default: 5)",
            valueName: "count"
        ),
        transform: Parse.count(1...1000)
    )
    var rounds = 5

    @Option(
        name: .long,
        help: ArgumentHelp("How long a round is measured. (default: 1s)", valueName: "duration"),
        transform: Parse.positiveDuration
    )
    var time = Duration.seconds(1)

    @Option(
        name: .long,
        help: ArgumentHelp(
            "How long a round runs before it is measured. (default: 250ms)",
            valueName: "duration"
        ),
        transform: Parse.duration
    )
    var warmUp = Duration.milliseconds(250)

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Processors that servers may use, by number. (default: all)",
            valueName: "n,..."
        ),
        transform: Parse.list(of: Parse.processor)
    )
    var serverCpus: ValueList<Int>?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Processors that the clients may use, by number. (default: all)",
            valueName: "n,..."
        ),
        transform: Parse.list(of: Parse.processor)
    )
    var clientCpus: ValueList<Int>?

    @Option(
        name: .long,
        help: ArgumentHelp(
            """
            Longest time that the clients poll for an answer before they sleep, up to 1s; auto \
            for 50us. Their own wake-ups then add nothing to the latency. (default: 0s)
            """,
            valueName: "duration"
        ),
        completion: .list(["auto"]),
        transform: Parse.either("auto", or: Parse.busyPoll)
    )
    var clientPoll: Switchable<Duration>?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Repeats the order of another measurement, and its bytes.",
            valueName: "number"
        ),
        transform: Parse.count(1...1 << 53)
    )
    var seed: Int?

    func validate() throws {
        let allowed = Processors.allowed
        guard !allowed.isEmpty else { return }
        for (flag, list) in [("--server-cpus", serverCpus), ("--client-cpus", clientCpus)] {
            let other = list?.values.first { !allowed.contains($0) }
            guard let other else { continue }
            let names = allowed.map { "\($0)" }.joined(separator: ", ")
            throw ValidationError("\(flag) \(other): the processors of this process are \(names)")
        }
    }

    /// Has a measurement made so.
    func apply(to runner: inout BenchRunner) {
        runner.rounds = rounds
        runner.roundTime = time
        runner.warmUp = warmUp
        runner.serverProcessors = serverCpus?.values ?? []
        runner.clientProcessors = clientCpus?.values ?? []
        if let clientPoll { runner.clientPoll = clientPoll.value }
        if let seed { runner.seed = UInt64(seed) }
    }
}
