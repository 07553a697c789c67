/// A strict reader of flat JSON objects whose values are strings and numbers, RFC 8259.
struct JSONObject {
    private var members: [String: String] = [:]
    private var rest: Substring.UnicodeScalarView

    /// The names of the members whose values are numbers.
    private(set) var numbers: Set<String> = []

    subscript(name: String) -> String? { members[name] }

    /// Parses a line; `nil` if it is not such an object, or names a member twice.
    init?(_ line: String) {
        rest = Substring(line).unicodeScalars
        guard take("{") else { return nil }
        repeat {
            guard let name = string(), take(":"), members[name] == nil else { return nil }
            guard let value = rest.first == "\"" ? string() : number(name) else { return nil }
            members[name] = value
        } while take(",")
        guard take("}"), rest.isEmpty else { return nil }
    }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard rest.first == scalar else { return false }
        rest.removeFirst()
        return true
    }

    private mutating func number(_ name: String) -> String? {
        let digits = String(rest.prefix { $0 != "," && $0 != "}" })
        guard digits.wholeMatch(of: /-?(0|[1-9][0-9]*)(\.[0-9]+)?/) != nil else { return nil }
        rest = rest.dropFirst(digits.unicodeScalars.count)
        numbers.insert(name)
        return digits
    }

    private mutating func string() -> String? {
        guard take("\"") else { return nil }
        var text = String.UnicodeScalarView()
        while let scalar = rest.popFirst() {
            switch scalar {
            case "\"": return String(text)
            case "\\":
                guard let escaped = escape() else { return nil }
                text.append(escaped)
            case _ where scalar.value < 0x20: return nil
            default: text.append(scalar)
            }
        }
        return nil
    }

    private mutating func escape() -> Unicode.Scalar? {
        switch rest.popFirst() {
        case "\""?: return "\""
        case "\\"?: return "\\"
        case "/"?: return "/"
        case "b"?: return "\u{8}"
        case "f"?: return "\u{C}"
        case "n"?: return "\n"
        case "r"?: return "\r"
        case "t"?: return "\t"
        case "u"?:
            let digits = String(rest.prefix(4))
            rest = rest.dropFirst(4)
            return UInt32(digits, radix: 16).flatMap(Unicode.Scalar.init)
        default: return nil
        }
    }
}
