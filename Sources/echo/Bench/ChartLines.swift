/// A line of a chart.
struct ChartSeries: Sendable {
    /// A point, with the interval in which its true value lies.
    struct Point: Sendable {
        let x: Double
        let y: Double
        var interval: ClosedRange<Double>?
    }

    /// What it shows, beside its end.
    let name: String
    /// Its colour and its sign: the place of the server among all servers.
    let index: Int
    /// From left to right; not empty.
    let points: [Point]
}

/// A chart of lines, as SVG.
struct ChartLines: Sendable {
    let title: String
    let description: String
    /// Tells the parts of this chart from those of others.
    let identifier: String
    let series: [ChartSeries]
    let xAxis: ChartAxis
    let yAxis: ChartAxis
    let xTitle: String
    let yTitle: String
    /// Whether each point has a sign; if not, the last one only.
    var hasSigns = true

    private static let size = (width: 524.0, height: 320.0)
    private static let plot = (left: 58.0, right: 372.0, top: 30.0, bottom: 272.0)
    private static let labelGap = 15.0

    /// The drawing.
    var svg: String {
        ChartFrame.svg(
            title: title,
            description: description,
            identifier: identifier,
            size: Self.size,
            content: ([yGrid, xGrid, titles] + series.map(line) + [labels]).joined(separator: "\n")
        )
    }

    private func x(_ value: Double) -> Double {
        Self.plot.left + xAxis.position(value) * (Self.plot.right - Self.plot.left)
    }

    private func y(_ value: Double) -> Double {
        Self.plot.bottom - yAxis.position(value) * (Self.plot.bottom - Self.plot.top)
    }

    private var yGrid: String {
        let plot = Self.plot
        return yAxis.shownTicks(length: plot.bottom - plot.top) { _ in 18 }.map { tick in
            let place = y(tick.value)
            return ChartFrame.line((plot.left, place), (plot.right, place), "grid")
                + ChartFrame.text(tick.label, (plot.left - 8, place + 4), "tick end")
        }.joined()
    }

    private var xGrid: String {
        let plot = Self.plot
        let ticks = xAxis.shownTicks(length: plot.right - plot.left) { Double($0.count) * 7 + 8 }
        return ticks.map { tick in
            let place = x(tick.value)
            return ChartFrame.line((place, plot.top), (place, plot.bottom + 5), "grid")
                + ChartFrame.text(tick.label, (place, plot.bottom + 20), "tick middle")
        }.joined() + ChartFrame.line((plot.left, plot.bottom), (plot.right, plot.bottom), "axis")
    }

    private var titles: String {
        let plot = Self.plot
        return ChartFrame.text(yTitle, (8, 14), "title")
            + ChartFrame.text(
                xTitle,
                ((plot.left + plot.right) / 2, plot.bottom + 40),
                "title middle"
            )
    }

    private func line(_ series: ChartSeries) -> String {
        let points = series.points.map { (x: x($0.x), y: y($0.y)) }
        let path = points.map { "\(Markup.number($0.x)),\(Markup.number($0.y))" }
        var parts = series.points.compactMap { point in
            point.interval.map { interval in
                ChartFrame.line(
                    (x(point.x), y(interval.lowerBound)),
                    (x(point.x), y(interval.upperBound)),
                    "range"
                )
            }
        }
        parts.append(
            Markup.element("polyline", ["points": path.joined(separator: " ")], nil)
        )
        let marked = hasSigns ? points[...] : points.suffix(1)
        parts += marked.map { ChartFrame.sign(series.index, at: ($0.x, $0.y)) }
        return Markup.element("g", ["class": ChartFrame.seriesClass(series.index)], parts.joined())
    }

    /// The names beside the ends of the lines, moved apart where they would overlap.
    private var labels: String {
        let plot = Self.plot
        let ends = series.compactMap { series in
            series.points.last.map { (series: series, x: x($0.x), y: y($0.y)) }
        }.sorted { $0.y < $1.y }
        let places = ChartFrame.apart(
            ends.map(\.y),
            gap: Self.labelGap,
            within: plot.top...plot.bottom
        )
        return zip(ends, places).map { end, place in
            let leader = ChartFrame.line((end.x + 6, end.y), (plot.right + 16, place), "leader")
            let name = ChartFrame.text(
                ChartFrame.shortened(
                    end.series.name,
                    width: Self.size.width - plot.right - 20
                ),
                (plot.right + 20, place + 4),
                "name"
            )
            return Markup.element(
                "g",
                ["class": ChartFrame.seriesClass(end.series.index)],
                leader + name
            )
        }.joined(separator: "\n")
    }
}
