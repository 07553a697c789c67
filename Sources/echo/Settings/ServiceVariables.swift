/// The variables that describe the Services of a namespace to each container in Kubernetes.
///
/// Those of a Service named `echo`, `echo-server` or `echo-metrics` begin like settings, but are
/// not: `ECHO_SERVER_SERVICE_HOST`, `ECHO_SERVER_SERVICE_PORT_HTTP`, `ECHO_SERVER_PORT`,
/// `ECHO_SERVER_PORT_5150_TCP_ADDR`.
enum ServiceVariables {
    private static let protocols: Set<Substring> = ["TCP", "UDP", "SCTP"]

    /// Whether a variable is one of them.
    static func include(_ name: String, _ value: String) -> Bool {
        var words = name.split(separator: "_", omittingEmptySubsequences: false)
        if let service = words.lastIndex(of: "SERVICE") {
            let rest = words[(service + 1)...]
            if rest == ["HOST"] { return true }
            if rest.first == "PORT" { return isNumber(value[...]) }
        }
        // A port meant for the server is a number, and does not count.
        if words.last == "PORT", isAddress(value) { return true }
        if ["PROTO", "PORT", "ADDR"].contains(words.last) { words.removeLast() }
        guard words.count > 3, let name = words.popLast(), let port = words.popLast() else {
            return false
        }
        return protocols.contains(name) && isNumber(port) && words.last == "PORT"
    }

    private static func isNumber(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }

    private static func isAddress(_ text: String) -> Bool {
        protocols.contains { text.hasPrefix("\($0.lowercased())://") }
    }
}
