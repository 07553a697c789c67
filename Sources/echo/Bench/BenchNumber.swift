import EchoClient

/// Numbers as people read them in a bench report.
///
/// Three significant digits, since rounds rarely agree on more.
enum BenchNumber {
    /// Where a text is shown.
    enum Style {
        /// Text of ASCII, with a space only where one is needed.
        case terminal
        /// A page, with the signs that typography has.
        case page
    }

    /// A figure with its unit.
    static func text(
        _ value: Double,
        _ metric: EchoBench.Metric,
        _ style: Style = .terminal
    ) -> String {
        switch metric {
        case .rate: short(value)
        case .throughput: significant(value / 1_000_000)
        case .p50, .p90, .p99, .p999: time(value, style)
        case .cpu, .syscalls, .switches: significant(value)
        case .memory: size(value, style)
        case .client: "\(fixed(value * 100, 0))\(style == .page ? " %" : "%")"
        case .wrong, .failed, .missed, .lost: fixed(value, 0)
        }
    }

    /// A figure within a sentence, with its unit in words.
    static func phrase(_ value: Double, _ metric: EchoBench.Metric) -> String {
        let text = text(value, metric, .page)
        return switch metric {
        case .rate: "\(text) echoes/s"
        case .throughput: "\(text) MB/s"
        case .cpu: "\(text) µs"
        default: text
        }
    }

    /// Nanoseconds in the unit that suits them.
    static func time(_ nanoseconds: Double, _ style: Style) -> String {
        let space = style == .page ? " " : ""
        let micro = style == .page ? "µs" : "us"
        let units = [(1.0, "ns"), (1000, micro), (1_000_000, "ms"), (1_000_000_000, "s")]
        // What is rounded to 1000 belongs to the next unit.
        let unit = units.last { abs(nanoseconds) >= $0.0 * 0.9995 } ?? units[0]
        return significant(nanoseconds / unit.0) + space + unit.1
    }

    /// Bytes in the unit that suits them.
    static func size(_ bytes: Double, _ style: Style) -> String {
        let space = style == .page ? " " : ""
        let units = [(1.0, "B"), (1024, "KiB"), (1_048_576, "MiB"), (1_073_741_824, "GiB")]
        let unit = units.last { abs(bytes) >= $0.0 } ?? units[0]
        let digits = unit.0 == 1 ? fixed(bytes, 0) : significant(bytes / unit.0)
        return digits + space + unit.1
    }

    /// A number with `k` for thousands, `M` for millions or `G` for thousands of millions.
    static func short(_ value: Double) -> String {
        let units = [(1.0, ""), (1000, "k"), (1_000_000, "M"), (1_000_000_000, "G")]
        let unit = units.last { abs(value) >= $0.0 * 0.9995 } ?? units[0]
        return significant(value / unit.0) + unit.1
    }

    /// A number with three significant digits, but all of its whole digits.
    static func significant(_ value: Double) -> String {
        switch abs(value) {
        case 0: "0"
        case ..<0.00995: fixed(value, 5)
        case ..<0.0995: fixed(value, 4)
        case ..<9.995: fixed(value, 2)
        case ..<99.95: fixed(value, 1)
        default: fixed(value, 0)
        }
    }

    /// Seconds, without zeros behind the point.
    static func seconds(_ value: Double) -> String {
        tick(significant(value)) + " s"
    }

    /// A ratio, such as `1.31x`.
    static func ratio(_ value: Double, _ style: Style = .terminal) -> String {
        significant(value) + (style == .page ? "×" : "x")
    }

    /// A part as a percentage, such as `2%`.
    static func percent(_ part: Double, _ style: Style = .terminal) -> String {
        let value = part * 100
        return fixed(value, (0.05..<0.95).contains(value) ? 1 : 0) + (style == .page ? " %" : "%")
    }

    /// The label of a round value, without zeros behind the point.
    static func tick(_ text: String) -> String {
        text.replacing(/(\.[0-9]*?)0+(?=[^0-9]|$)/) { match in match.1 == "." ? "" : match.1 }
    }

    /// A whole number with its thousands apart.
    static func grouped(_ value: Int) -> String {
        let digits = String(value)
        return digits.enumerated().reduce(into: "") { text, digit in
            if digit.offset > 0, (digits.count - digit.offset) % 3 == 0 { text += "," }
            text.append(digit.element)
        }
    }

    /// A number with a fixed number of decimals, rounded.
    static func fixed(_ value: Double, _ decimals: Int) -> String {
        let scale = (0..<decimals).reduce(1.0) { product, _ in product * 10 }
        let scaled = (abs(value) * scale).rounded()
        // A Double holds each whole number up to here.
        guard scaled.isFinite, scaled < 9_007_199_254_740_992 else { return "\(value)" }
        let digits = String(Int(scaled))
        let sign = value < 0 && scaled > 0 ? "-" : ""
        guard decimals > 0 else { return sign + digits }
        let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
        return "\(sign)\(padded.dropLast(decimals)).\(padded.suffix(decimals))"
    }
}
