import EchoSockets

/// Times for people: three significant digits and a unit.
enum TimeText {
    /// A unit that the times of a table have in common.
    enum Unit: String {
        case microseconds = "us"
        case milliseconds = "ms"

        fileprivate var nanoseconds: Double {
            switch self {
            case .microseconds: 1000
            case .milliseconds: 1_000_000
            }
        }
    }

    /// A time in the unit that suits it, such as `61.2 us` or `1.20 s`.
    static func text(_ time: Duration) -> String {
        let value = Double(time.nanoseconds)
        if value < 1000 { return "\(time.nanoseconds) ns" }
        if value < 999_500 { return significant(value / 1000) + " us" }
        if value < 999_500_000 { return significant(value / 1_000_000) + " ms" }
        return significant(value / 1_000_000_000) + " s"
    }

    /// A time as a cell of a table; `-` for none.
    static func cell(_ time: Duration?, in unit: Unit) -> String {
        time.map { significant(Double($0.nanoseconds) / unit.nanoseconds) } ?? "-"
    }

    /// Seconds with three decimals.
    static func seconds(_ time: Duration) -> String {
        fixed(Double(time.nanoseconds) / 1_000_000_000, decimals: 3)
    }

    /// Milliseconds with four decimals.
    static func milliseconds(_ time: Duration) -> String {
        fixed(Double(time.nanoseconds) / 1_000_000, decimals: 4)
    }

    /// A part of 1 as a percentage without a fraction that says nothing: `0`, `12.5`, `100`.
    static func percent(_ part: Double) -> String {
        let text = fixed(part * 100, decimals: 1)
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    private static func significant(_ value: Double) -> String {
        fixed(value, decimals: value < 9.995 ? 2 : value < 99.95 ? 1 : 0)
    }

    private static func fixed(_ value: Double, decimals: Int) -> String {
        let scale = (0..<decimals).reduce(1) { product, _ in product * 10 }
        let all = Int((value * Double(scale)).rounded())
        guard decimals > 0 else { return "\(all)" }
        let fraction = String(String(scale + all % scale).dropFirst())
        return "\(all / scale).\(fraction)"
    }
}
