import EchoSockets

/// Text of HTML that is well-formed XML as well.
enum Markup {
    /// A text as content or as the value of an attribute.
    static func escaped(_ text: String) -> String {
        text.escapedForLog.unicodeScalars.reduce(into: "") { escaped, scalar in
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            // XML has no sign for these two.
            case "\u{FFFE}", "\u{FFFF}": escaped += "\u{FFFD}"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
    }

    /// An element.
    ///
    /// - Parameters:
    ///   - name: its name.
    ///   - attributes: names and values, which are escaped.
    ///   - content: its content, which is markup already; `nil` for an element without an end tag.
    /// - Returns: the element.
    static func element(
        _ name: String,
        _ attributes: KeyValuePairs<String, String> = [:],
        _ content: String?
    ) -> String {
        let list = attributes.map { " \($0.key)=\"\(escaped($0.value))\"" }.joined()
        guard let content else { return "<\(name)\(list)/>" }
        return "<\(name)\(list)>\(content)</\(name)>"
    }

    /// An element with a text.
    static func text(
        _ name: String,
        _ attributes: KeyValuePairs<String, String> = [:],
        _ text: String
    ) -> String {
        element(name, attributes, escaped(text))
    }

    /// A coordinate of a drawing.
    static func number(_ value: Double) -> String {
        let text = BenchNumber.fixed(value, 1)
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }
}
