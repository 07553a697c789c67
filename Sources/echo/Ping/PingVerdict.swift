import EchoClient

/// What monitoring makes of a run, and the line of a plugin for Nagios and the like.
struct PingVerdict {
    /// How bad it is, from good to bad, with the exit codes of plugins.
    enum State: Int32, Comparable {
        case ok = 0
        case unknown = 3
        case warning = 1
        case critical = 2

        private var badness: Int {
            switch self {
            case .ok: 0
            case .unknown: 1
            case .warning: 2
            case .critical: 3
            }
        }

        static func < (lhs: State, rhs: State) -> Bool { lhs.badness < rhs.badness }
    }

    let warning: PingThreshold?
    let critical: PingThreshold?

    /// The state of one endpoint.
    func state(of report: EchoPing.EndpointReport) -> State {
        if report.wrong > 0 || report.surplus > 0 { return .critical }
        if report.connectError?.isUnknownHost == true { return .unknown }
        guard let loss = report.loss else { return .unknown }
        if loss == 1 || critical?.isBroken(by: report) == true { return .critical }
        if warning?.isBroken(by: report) == true { return .warning }
        let hasNoThreshold = warning == nil && critical == nil
        return hasNoThreshold && loss > 0 ? .warning : .ok
    }

    /// The state of the worst endpoint.
    func state(of report: EchoPing.Report) -> State {
        report.endpoints.map(state).max() ?? .unknown
    }

    /// The line of a plugin: `ECHO OK - 127.0.0.1:7: 61.2 us, 0 % lost | rtt=…ms;… loss=…%;…`.
    func line(_ report: EchoPing.Report) -> String {
        let state = state(of: report)
        let shown = report.endpoints.filter { self.state(of: $0) == state }
        let rest = report.endpoints.count - shown.count
        var text = shown.prefix(10).map(Self.text).joined(separator: "; ")
        if shown.count > 10 { text += "; \(shown.count - 10) more alike" }
        if rest > 0 { text += "; \(rest) of \(report.endpoints.count) are better" }
        let isOnly = report.endpoints.count == 1
        let data = report.endpoints.map { self.data($0, isOnly: isOnly) }.joined(separator: " ")
        return "ECHO \("\(state)".uppercased()) - \(text) | \(data)\n"
    }

    // The bar separates the text from the data.
    private static func text(_ report: EchoPing.EndpointReport) -> String {
        var text = "\(report.endpoint): "
        if let times = report.roundTrip { text += TimeText.text(times.mean) + ", " }
        text += report.loss.map { "\(TimeText.percent($0)) % lost" } ?? "no probe was settled"
        if report.wrong > 0 { text += ", \(report.wrong) wrong" }
        if let failure = report.lastFailure { text += " (\(failure))" }
        return text.replacing("|", with: "/")
    }

    private func data(_ report: EchoPing.EndpointReport, isOnly: Bool) -> String {
        let label = { (name: String) in
            isOnly ? name : "'" + "\(report.endpoint) \(name)".replacing("'", with: "''") + "'"
        }
        let time = report.roundTrip.map { TimeText.milliseconds($0.mean) + "ms" } ?? "U"
        let loss = report.loss.map { TimeText.percent($0) + "%" } ?? "U"
        let limits = [warning, critical].map { threshold in
            (
                threshold?.roundTrip.map(TimeText.milliseconds) ?? "",
                threshold?.loss.map { TimeText.percent($0 / 100) } ?? ""
            )
        }
        return "\(label("rtt"))=\(time);\(limits[0].0);\(limits[1].0);0 "
            + "\(label("loss"))=\(loss);\(limits[0].1);\(limits[1].1);0;100"
    }
}

extension ConnectError {
    /// Whether the host name has no address.
    fileprivate var isUnknownHost: Bool {
        if case .resolution = reason { true } else { false }
    }
}
