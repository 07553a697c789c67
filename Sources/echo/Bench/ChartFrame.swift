/// The parts that all charts have.
enum ChartFrame {
    /// How many colours and signs there are; later servers repeat them with dashed lines.
    static let styles = 8

    /// A place in a drawing.
    typealias Place = (x: Double, y: Double)

    /// A drawing that a screen reader announces with its title and description.
    static func svg(
        title: String,
        description: String,
        identifier: String,
        size: (width: Double, height: Double),
        content: String
    ) -> String {
        let names = ["\(identifier)-title", "\(identifier)-text"]
        let head =
            Markup.text("title", ["id": names[0]], title)
            + Markup.text("desc", ["id": names[1]], description)
        return Markup.element(
            "svg",
            [
                "role": "img", "aria-labelledby": names[0], "aria-describedby": names[1],
                "viewBox": "0 0 \(Markup.number(size.width)) \(Markup.number(size.height))",
            ],
            "\(head)\n\(content)\n"
        )
    }

    /// The class of what belongs to a server.
    static func seriesClass(_ index: Int) -> String {
        "series s\(index % styles)" + (index / styles % 2 == 1 ? " dashed" : "")
    }

    /// A straight line.
    static func line(_ from: Place, _ to: Place, _ kind: String) -> String {
        Markup.element(
            "line",
            [
                "class": kind, "x1": Markup.number(from.x), "y1": Markup.number(from.y),
                "x2": Markup.number(to.x), "y2": Markup.number(to.y),
            ],
            nil
        )
    }

    /// A text.
    static func text(_ text: String, _ at: Place, _ kind: String) -> String {
        Markup.text(
            "text",
            ["class": kind, "x": Markup.number(at.x), "y": Markup.number(at.y)],
            text
        )
    }

    /// The sign of a server: each has a shape of its own, for those who see no colours.
    static func sign(_ index: Int, at place: Place) -> String {
        let paths = [
            "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z", "M-3.6,-3.6h7.2v7.2h-7.2z",
            "M0,-4.8L4.4,3.2H-4.4z", "M0,-5L5,0L0,5L-5,0z", "M0,4.8L4.4,-3.2H-4.4z",
            "M-1.5,-4.6h3v3.1h3.1v3h-3.1v3.1h-3v-3.1h-3.1v-3h3.1z",
            "M0,-4.8L4.6,-1.5L2.8,3.9H-2.8L-4.6,-1.5z", "M-4.6,-2.4h9.2v4.8h-9.2z",
        ]
        let shift = "translate(\(Markup.number(place.x)) \(Markup.number(place.y)))"
        return Markup.element(
            "path",
            ["class": "sign", "transform": shift, "d": paths[index % paths.count]],
            nil
        )
    }

    /// A name that takes no more than a width, as far as can be told without its font.
    static func shortened(_ name: String, width: Double) -> String {
        guard self.width(name) > width else { return name }
        var short = name
        while !short.isEmpty, self.width(short + "…") > width { short.removeLast() }
        return short + "…"
    }

    // Of a wide font, such as DejaVu Sans, of the size that the style sheet sets.
    private static func width(_ text: String) -> Double {
        text.reduce(0) { width, character in
            switch character {
            case "i", "j", "l", "I", ".", ",", ":", "'", "|", "!", " ": width + 4.2
            case "f", "r", "t", "-", "(", ")", "[", "]", "/": width + 5.1
            case "m", "w", "M", "W", "@", "%": width + 12.2
            case "A"..."Z", "&", "<", ">", "=", "+", "~": width + 9.8
            case _ where character.isASCII: width + 7.9
            default: width + 12.5
            }
        }
    }

    /// Ascending places moved apart as little as needed.
    ///
    /// - Parameters:
    ///   - places: where they would be.
    ///   - gap: the least distance, if there is room for it.
    ///   - range: where they may be.
    /// - Returns: the places, in the same order.
    static func apart(
        _ places: [Double],
        gap: Double,
        within range: ClosedRange<Double>
    ) -> [Double] {
        let room = range.upperBound - range.lowerBound
        let gap = places.count > 1 ? min(gap, room / Double(places.count - 1)) : gap
        var groups: [Group] = []
        for place in places {
            groups.append(Group(start: place, count: 1))
            // Groups that touch become one, in the middle of both.
            while groups.count > 1, let last = groups.last,
                case let before = groups[groups.count - 2],
                last.start < before.start + Double(before.count) * gap
            {
                groups.removeLast(2)
                groups.append(before.joined(last, gap: gap))
            }
        }
        let moved = groups.flatMap { group in
            (0..<group.count).map { group.start + Double($0) * gap }
        }
        return within(range, moved, gap)
    }

    // Places in a row, a gap apart.
    private struct Group {
        let start: Double
        let count: Int

        func joined(_ next: Group, gap: Double) -> Group {
            let all = Double(count + next.count)
            let shifted = next.start - Double(count) * gap
            let mean = (start * Double(count) + shifted * Double(next.count)) / all
            return Group(start: mean, count: count + next.count)
        }
    }

    private static func within(
        _ range: ClosedRange<Double>,
        _ places: [Double],
        _ gap: Double
    ) -> [Double] {
        var moved = places.reduce(into: [Double]()) { moved, place in
            moved.append(max(place, moved.last.map { $0 + gap } ?? range.lowerBound))
        }
        var limit = range.upperBound
        for index in moved.indices.reversed() {
            moved[index] = min(moved[index], limit)
            limit = moved[index] - gap
        }
        return moved
    }
}
