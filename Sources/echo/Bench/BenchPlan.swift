import EchoClient
import EchoSockets

/// What a measurement is going to do.
struct BenchPlan {
    private let runner: BenchRunner

    init(_ runner: BenchRunner) {
        self.runner = runner
    }

    /// The time that it takes at least: starting servers and opening connections comes on top.
    var time: Duration {
        let count = runner.rounds * runner.servers.count * runner.loads.count
        return (runner.roundTime + runner.warmUp + .milliseconds(50)) * count
    }

    /// The servers, the loads and the time, for people.
    func text(_ screen: Screen) -> String {
        let seconds = Int((Double(time.nanoseconds) / 1e9).rounded(.up))
        let span = seconds < 180 ? "\(seconds) seconds" : "\((seconds + 30) / 60) minutes"
        var text = ""
        for server in runner.servers { text += "server  \(server.name)\n" }
        for load in runner.loads { text += "load    \(load.label)\n" }
        text +=
            "rounds  \(runner.rounds) of \(Quantity.text(runner.roundTime)) for each server "
            + "and load, after \(Quantity.text(runner.warmUp)) that do not count\n"
        return text + "seed    \(runner.seed)\ntime    about \(span)\n"
    }
}
