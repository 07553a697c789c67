import EchoClient

/// A report as comma-separated values, RFC 4180: a row for each server, load and round.
enum BenchCSV {
    /// The rows below a line of names; a server without a round has one row, with its failure.
    static func text(_ report: EchoBench.Report) -> String {
        let rows = report.results.flatMap { result -> [[String]] in
            guard let load = report.load(of: result), let subject = report.subject(of: result)
            else { return [] }
            let rounds = result.rounds.map(Optional.some)
            return (rounds.isEmpty ? [nil] : rounds).enumerated().map { index, round in
                columns.map { column in
                    column.value(
                        Row(
                            subject: subject,
                            load: load,
                            number: index + 1,
                            round: round,
                            failure: result.failure
                        )
                    ) ?? ""
                }
            }
        }
        return ([columns.map(\.name)] + rows)
            .map { $0.map(field).joined(separator: ",") + "\r\n" }.joined()
    }

    /// A field, in quotation marks where it must be.
    private static func field(_ text: String) -> String {
        // Of scalars: a carriage return and a newline together are one character.
        let special: Set<Unicode.Scalar> = ["\"", ",", "\r", "\n"]
        guard text.unicodeScalars.contains(where: special.contains) else { return text }
        return "\"\(text.replacing("\"", with: "\"\""))\""
    }

    private struct Row {
        let subject: EchoBench.Subject
        let load: EchoBench.Load
        let number: Int
        let round: EchoBench.Round?
        let failure: String?

        func figure(_ metric: EchoBench.Metric) -> String? {
            round?.value(of: metric, isOpenLoop: load.isOpenLoop).map { "\($0)" }
        }
    }

    private struct Column: Sendable {
        let name: String
        let value: @Sendable (Row) -> String?

        init(_ name: String, _ value: @escaping @Sendable (Row) -> String?) {
            (self.name, self.value) = (name, value)
        }

        init<Value: CustomStringConvertible & SendableMetatype>(
            _ name: String,
            round value: @escaping @Sendable (EchoBench.Round) -> Value?
        ) {
            self.init(name) { $0.round.flatMap(value).map(\.description) }
        }
    }

    /// The names of the columns.
    static var header: [String] { columns.map(\.name) }

    private static let columns = loadColumns + roundColumns + serverColumns + datagramColumns

    private static let loadColumns = [
        Column("subject") { $0.subject.name },
        Column("kind") { $0.subject.kind.rawValue },
        Column("connections") { "\($0.load.connections)" },
        Column("size_bytes") { "\($0.load.size)" },
        Column("in_flight") { "\($0.load.inFlight)" },
        Column("schedule_per_second") { $0.load.rate.map { "\($0)" } },
        Column("churn") { "\($0.load.isChurn)" },
        Column("idle_connections") { "\($0.load.idleConnections)" },
        Column("failure") { $0.failure },
    ]

    private static let roundColumns = [
        Column("round") { $0.round == nil ? nil : "\($0.number)" },
        Column("position", round: { $0.position }),
        Column("seconds", round: { $0.seconds }),
        Column("echoes", round: { $0.echoes }),
        Column("bytes", round: { $0.bytes }),
        Column("echoes_per_second") { $0.figure(.rate) },
        Column("wrong_bytes", round: { $0.wrongBytes }),
        Column("failed_connections", round: { $0.failedConnections }),
        Column("missed_sends", round: { $0.missedSends }),
        Column("p50_ns", round: { $0.p50 }),
        Column("p99_ns", round: { $0.p99 }),
        Column("p999_ns", round: { $0.p999 }),
        Column("response_p50_ns", round: { $0.responseP50 }),
        Column("response_p99_ns", round: { $0.responseP99 }),
        Column("response_p999_ns", round: { $0.responseP999 }),
        Column("client_cpu_seconds", round: { $0.clientProcessorSeconds }),
    ]

    private static let serverColumns = [
        Column("server_user_seconds", round: { $0.server?.userSeconds }),
        Column("server_system_seconds", round: { $0.server?.systemSeconds }),
        Column("server_cpu_us_per_echo") { $0.figure(.cpu) },
        Column("system_calls", round: { $0.server?.systemCalls }),
        Column("system_calls_per_echo") { $0.figure(.syscalls) },
        Column("voluntary_switches", round: { $0.server?.voluntarySwitches }),
        Column("involuntary_switches", round: { $0.server?.involuntarySwitches }),
        Column("context_switches_per_echo") { $0.figure(.switches) },
        Column("threads", round: { $0.server?.threads }),
        Column("memory_bytes_per_connection", round: { $0.server?.memoryPerConnection }),
    ]

    private static let datagramColumns = [
        Column("lost_datagrams", round: { $0.lostDatagrams })
    ]
}
