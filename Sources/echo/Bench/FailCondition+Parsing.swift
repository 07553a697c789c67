import ArgumentParser
import EchoClient

extension FailCondition {
    /// Parses `[SERVER:]METRIC OPERATOR VALUE`, with or without spaces.
    ///
    /// - Throws: `ValidationError`, which says what is allowed instead.
    init(parsing text: String) throws {
        let operators = Comparison.allCases
        guard let start = text.lastIndex(where: { "<>".contains($0) }) else {
            throw Self.error("it has no <, <=, > or >=; write it as p99>2ms")
        }
        let end =
            text[start...].dropFirst().first == "="
            ? text.index(start, offsetBy: 2) : text.index(after: start)
        let symbol = String(text[start..<end])
        guard let comparison = operators.first(where: { $0.rawValue == symbol }) else {
            throw Self.error("it has no <, <=, > or >=; write it as p99>2ms")
        }
        let left = text[..<start].trimmed
        let separator = left.lastIndex(of: ":")
        let name = separator.map { left[left.index(after: $0)...].trimmed } ?? left
        guard let metric = EchoBench.Metric(rawValue: String(name)) else {
            throw Self.error(Self.unknown(String(name)))
        }
        let subject = separator.map { String(left[..<$0].trimmed) }
        guard subject != "" else { throw Self.error("there is no server before the colon") }
        self.init(
            text: text,
            subject: subject,
            metric: metric,
            comparison: comparison,
            bound: try Self.bound(text[end...].trimmed, metric)
        )
    }

    private static func unknown(_ name: String) -> String {
        let names = EchoBench.Metric.allCases.map(\.rawValue)
        let meant = Spelling.nearest(to: name, in: names).map { ": did you mean \($0)?" } ?? ""
        return "the figure must be \(names.dropLast().joined(separator: ", ")) or "
            + "\(names.last ?? "")\(meant)"
    }

    private static func bound(
        _ value: Substring,
        _ metric: EchoBench.Metric
    ) throws -> Bound {
        let digits = value.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit = value[digits.endIndex...].trimmed
        guard digits.wholeMatch(of: /[0-9]+(\.[0-9]+)?/) != nil, let number = Double(digits),
            number.isFinite
        else { throw error("the value must be \(allowed(metric))") }
        if unit == "x", !metric.isTotal { return .ratio(number) }
        let units = FailUnit.units(of: metric)
        if units.isEmpty, unit.isEmpty { return .value(number) }
        guard let scale = units.first(where: { $0.key == unit })?.value else {
            let fault =
                unit.isEmpty ? "the unit is missing" : "\(metric.rawValue) has no unit \(unit)"
            throw error("\(fault): the value must be \(allowed(metric))")
        }
        return .value(number * scale)
    }

    private static func allowed(_ metric: EchoBench.Metric) -> String {
        let units = FailUnit.units(of: metric).map(\.key)
        let ratio = metric.isTotal ? "" : ", or a multiple of the baseline such as 1.2x"
        guard let last = units.last else { return "a number\(ratio)" }
        let list =
            units.count == 1 ? last : "\(units.dropLast().joined(separator: ", ")) or \(last)"
        return "a number with the unit \(list)\(ratio)"
    }

    // The parser of the flags adds the text.
    private static func error(_ reason: String) -> ValidationError {
        ValidationError(reason)
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        let start = drop { $0 == " " }
        return start[..<(start.lastIndex { $0 != " " }.map(index(after:)) ?? start.startIndex)]
    }
}

extension String {
    fileprivate var trimmed: Substring { self[...].trimmed }
}
