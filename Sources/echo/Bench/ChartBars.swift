/// A chart of horizontal bars, as SVG.
struct ChartBars: Sendable {
    /// A bar.
    struct Bar: Sendable {
        let name: String
        /// Its colour: the place of the server among all servers.
        let index: Int
        let value: Double
        /// In which the true value lies.
        let interval: ClosedRange<Double>?
        /// The value as a text.
        let label: String
    }

    let title: String
    let description: String
    /// Tells the parts of this chart from those of others.
    let identifier: String
    let bars: [Bar]
    let axis: ChartAxis
    let axisTitle: String

    private static let row = 30.0
    private static let top = 12.0
    private static let left = 142.0
    private static let right = 424.0
    private static let width = 524.0

    private var bottom: Double { Self.top + Double(bars.count) * Self.row }

    /// The drawing.
    var svg: String {
        ChartFrame.svg(
            title: title,
            description: description,
            identifier: identifier,
            size: (Self.width, bottom + 52),
            content: ([grid] + bars.enumerated().map(bar)).joined(separator: "\n")
        )
    }

    private func x(_ value: Double) -> Double {
        Self.left + axis.position(value) * (Self.right - Self.left)
    }

    private var grid: String {
        let ticks = axis.shownTicks(length: Self.right - Self.left) { Double($0.count) * 7 + 10 }
        return ticks.map { tick in
            let place = x(tick.value)
            return ChartFrame.line((place, Self.top), (place, bottom + 5), "grid")
                + ChartFrame.text(tick.label, (place, bottom + 20), "tick middle")
        }.joined()
            + ChartFrame.line((Self.left, Self.top), (Self.left, bottom), "axis")
            + ChartFrame.text(
                axisTitle,
                ((Self.left + Self.right) / 2, bottom + 41),
                "title middle"
            )
    }

    private func bar(_ row: Int, _ bar: Bar) -> String {
        let middle = Self.top + (Double(row) + 0.5) * Self.row
        let length = max(x(bar.value) - Self.left, 1)
        var parts = [
            ChartFrame.text(
                ChartFrame.shortened(bar.name, width: Self.left - 8),
                (Self.left - 8, middle + 4),
                "name end"
            ),
            Markup.element(
                "rect",
                [
                    "x": Markup.number(Self.left), "y": Markup.number(middle - 9),
                    "width": Markup.number(length), "height": "18", "rx": "2",
                ],
                nil
            ),
        ]
        var end = x(bar.value)
        if let interval = bar.interval {
            let ends = (x(interval.lowerBound), x(interval.upperBound))
            parts.append(ChartFrame.line((ends.0, middle), (ends.1, middle), "whisker"))
            end = max(end, ends.1)
        }
        parts.append(ChartFrame.text(bar.label, (end + 7, middle + 4), "value"))
        return Markup.element("g", ["class": ChartFrame.seriesClass(bar.index)], parts.joined())
    }
}
