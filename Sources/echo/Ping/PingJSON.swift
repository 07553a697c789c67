import EchoClient
import EchoServer
import EchoSockets

/// A run for programs: JSON, RFC 8259.
///
/// All times are nanoseconds.
struct PingJSON {
    /// The version of the form.
    static let schema = 1

    let ping: EchoPing
    /// When it began, as RFC 3339 writes it.
    let started = Timestamp.now

    /// A line for a probe.
    func line(_ probe: EchoPing.Probe) -> String {
        let endpoint = JSON.string("\(ping.endpoints[probe.endpoint])")
        let (result, details) = Self.fields(of: probe.outcome)
        return "{\"type\":\"probe\",\"endpoint\":\(endpoint),\"seq\":\(probe.sequence),"
            + "\"due_ns\":\(Self.number(probe.due)),\"late_ns\":\(Self.number(probe.lateness)),"
            + "\"sent_ns\":\(Self.number(probe.sent)),"
            + "\"connect_ns\":\(Self.number(probe.connect)),"
            + "\"result\":\"\(result)\"\(details)}\n"
    }

    private static func fields(of outcome: EchoPing.Outcome) -> (result: String, details: String) {
        switch outcome {
        case .received(let time): ("received", ",\"round_trip_ns\":\(number(time))")
        case .lost(let reason): ("lost", ",\"reason\":\(JSON.string(reason))")
        case .late(let time): ("late", ",\"round_trip_ns\":\(number(time))")
        case .duplicate(let time): ("duplicate", ",\"round_trip_ns\":\(number(time))")
        case .wrong(let evidence): ("wrong", ",\"evidence\":\(JSON.string(evidence))")
        case .surplus(let evidence): ("surplus", ",\"evidence\":\(JSON.string(evidence))")
        case .missed(let count): ("missed", ",\"count\":\(count)")
        @unknown default: ("other", "")
        }
    }

    /// The object with what was measured.
    ///
    /// - Parameters:
    ///   - report: what was measured.
    ///   - isLine: whether it is the last of the lines, instead of the only object.
    /// - Returns: the object, with the end of its line.
    func summary(_ report: EchoPing.Report, isLine: Bool) -> String {
        let (type, line, start, end) =
            isLine ? ("\"type\":\"summary\",", "", "", "") : ("", "\n  ", "\n  ", "\n")
        let endpoints = report.endpoints.map(object).joined(separator: "," + line)
        return "{\(type)\"schema\":\(Self.schema),"
            + "\"tool\":\(JSON.string("echo \(EchoServer.version)")),"
            + "\"started\":\(JSON.string(started)),"
            + "\"seconds\":\(TimeText.seconds(report.duration)),"
            + "\"interval_ns\":\(Self.number(ping.interval)),\"size\":\(ping.size),"
            + "\"timeout_ns\":\(Self.number(ping.timeout)),"
            + "\"connections\":\"\(ping.connections.rawValue)\","
            + "\"lateness\":\(Self.object(report.lateness)),"
            + "\"endpoints\":[\(start)\(endpoints)\(end)]}\n"
    }

    private func object(_ report: EchoPing.EndpointReport) -> String {
        let text = { (text: String?) in text.map(JSON.string) ?? "null" }
        return "{\"endpoint\":\(text("\(report.endpoint)")),\"address\":\(text(report.address)),"
            + "\"sent\":\(report.sent),\"received\":\(report.received),\"lost\":\(report.lost),"
            + "\"late\":\(report.late),\"duplicates\":\(report.duplicates),"
            + "\"wrong\":\(report.wrong),\"surplus\":\(report.surplus),"
            + "\"missed\":\(report.missed),\"outstanding\":\(report.outstanding),"
            + "\"loss_percent\":\(report.loss.map(TimeText.percent) ?? "null"),"
            + "\"connections\":\(report.connections),"
            + "\"failed_connections\":\(report.failedConnections),"
            + "\"last_failure\":\(text(report.lastFailure)),"
            + "\"resolve_ns\":\(Self.number(report.resolve)),"
            + "\"connect\":\(Self.object(report.connect)),"
            + "\"round_trip\":\(Self.object(report.roundTrip)),"
            + "\"jitter_ns\":\(Self.number(report.jitter))}"
    }

    private static func object(_ times: EchoPing.Times?) -> String {
        guard let times else { return "null" }
        return "{\"samples\":\(times.samples),\"min_ns\":\(number(times.minimum)),"
            + "\"p50_ns\":\(number(times.p50)),\"p90_ns\":\(number(times.p90)),"
            + "\"p99_ns\":\(number(times.p99)),\"max_ns\":\(number(times.maximum)),"
            + "\"mean_ns\":\(number(times.mean)),"
            + "\"stddev_ns\":\(number(times.standardDeviation))}"
    }

    private static func number(_ time: Duration?) -> String {
        time.map { "\($0.nanoseconds)" } ?? "null"
    }
}
