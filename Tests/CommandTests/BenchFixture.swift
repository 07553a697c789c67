import EchoServer
import EchoTestSupport
import Glibc

@testable import EchoClient

/// Reports of measurements that never took place.
enum BenchFixture {
    /// The loads of a sweep over connections.
    static func sweep(_ connections: [Int]) -> [EchoBench.Load] {
        connections.map { count in
            var load = EchoBench.Load()
            load.connections = count
            return load
        }
    }

    /// A report with a result for each server and load.
    ///
    /// - Parameters:
    ///   - names: the servers'; each is slower than the one before it by 15 %, but the second is
    ///     as fast as the first.
    ///   - loads: the loads.
    ///   - rounds: how many rounds each has.
    ///   - noise: by which part a round differs from others at most.
    ///   - seed: of the noise.
    /// - Returns: the report.
    static func report(
        _ names: [String] = EchoServer.IOModel.allCases.map(\.rawValue),
        loads: [EchoBench.Load] = sweep([1, 10, 100, 1000]),
        rounds: Int = 5,
        noise: Double = 0.03,
        seed: UInt64 = 7
    ) -> EchoBench.Report {
        var random = SeededGenerator(seed: seed)
        var report = empty(names, loads, rounds)
        for load in loads.indices {
            for subject in names.indices {
                report.results.append(
                    result(subject, load, loads[load], rounds, noise, &random)
                )
            }
        }
        return report
    }

    private static func empty(
        _ names: [String],
        _ loads: [EchoBench.Load],
        _ rounds: Int
    ) -> EchoBench.Report {
        EchoBench.Report(
            tool: "echo 0.1.0",
            started: "2026-11-25T10:20:30.000Z",
            seconds: 285.5,
            command: "echo bench --model all --connections 1,10,100,1000 --rounds 5 --seed 7",
            seed: 7,
            environment: environment,
            plan: EchoBench.Plan(loads: loads, rounds: rounds, roundSeconds: 2, warmUpSeconds: 0.5),
            subjects: names.map {
                EchoBench.Subject(name: $0, kind: .model, detail: "echo --model \($0) --listen 0")
            },
            results: [],
            warnings: []
        )
    }

    private static let environment = EchoBench.Environment(
        kernel: "Linux 6.18.44",
        processor: "AMD EPYC 7763 64-Core Processor",
        processors: 2,
        memoryBytes: 8 << 30,
        frequencyGovernor: nil,
        loadAverage: 0.31,
        mitigations: ["meltdown": "Not affected", "spectre_v2": "Mitigation: Retpolines"],
        serverProcessors: [1],
        clientProcessors: [0]
    )

    private static func result(
        _ subject: Int,
        _ index: Int,
        _ load: EchoBench.Load,
        _ rounds: Int,
        _ noise: Double,
        _ random: inout SeededGenerator
    ) -> EchoBench.Result {
        let slowness = pow(1.15, Double(max(subject - 1, 0)))
        let count = Double(load.connections)
        let rate = load.rate ?? 180_000 / slowness * count / (count + 8)
        let each = (4 + 6 / count) * slowness
        let latency = count / rate * 1_000_000_000
        let list = (0..<rounds).map { round -> EchoBench.Round in
            let factor = 1 + Double.random(in: -noise...noise, using: &random)
            let echoes = Int(rate * factor * 2)
            var one = EchoBench.Round(
                position: round * 7 + subject,
                seconds: 2,
                echoes: echoes,
                bytes: echoes * load.size,
                wrongBytes: 0,
                failedConnections: 0,
                missedSends: load.rate.map { _ in subject * 3 },
                p50: Int(latency / factor * 0.9),
                p99: Int(latency / factor * 2.5),
                p999: count > 1 ? Int(latency / factor * 9) : nil,
                clientProcessorSeconds: 1.6,
                server: cost(echoes, each / factor, load)
            )
            if load.rate != nil { one.responseP99 = Int(latency / factor * 4) }
            return one
        }
        return EchoBench.Result(
            subject: subject,
            load: index,
            rounds: list,
            service: distribution(latency, samples: list.reduce(0) { $0 + $1.echoes }),
            response: load.rate.map { _ in distribution(latency * 1.6, samples: 100_000) }
        )
    }

    private static func cost(
        _ echoes: Int,
        _ microseconds: Double,
        _ load: EchoBench.Load
    ) -> EchoBench.ServerCost {
        let seconds = Double(echoes) * microseconds / 1_000_000
        return EchoBench.ServerCost(
            userSeconds: seconds * 0.2,
            systemSeconds: seconds * 0.8,
            systemCalls: echoes * 5 / 2,
            voluntarySwitches: echoes / max(load.connections / 2, 1),
            involuntarySwitches: 40,
            threads: 2,
            memoryPerConnection: load.connections >= 100 ? 1200 * microseconds : nil
        )
    }

    /// A curve with a tail that grows.
    static func distribution(_ nanoseconds: Double, samples: Int) -> EchoBench.Latency {
        let percentiles =
            [0, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.9, 99.95, 99.99, 99.995, 99.999]
        let reached = percentiles.filter { Double(samples) * (1 - $0 / 100) >= 10 }
        let curve = reached.map { percentile in
            EchoBench.Latency.Point(
                percentile: percentile,
                nanoseconds: Int(nanoseconds * (0.6 + 0.9 * pow(-log10(1 - percentile / 100), 1.6)))
            )
        }
        return EchoBench.Latency(
            samples: samples,
            minimum: Int(nanoseconds * 0.6),
            maximum: Int(nanoseconds * 40),
            mean: nanoseconds,
            standardDeviation: nanoseconds / 3,
            curve: curve
        )
    }
}
