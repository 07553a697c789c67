extension EchoBench.Load {
    /// The load in a few words, such as `100 connections, 64 bytes`.
    public var label: String {
        var parts = ["\(connections) \(connections == 1 ? "connection" : "connections")"]
        parts.append("\(size) \(size == 1 ? "byte" : "bytes")")
        if inFlight > 1 { parts.append("\(inFlight) in flight") }
        if let rate { parts.append("\(Self.number(rate)) a second") }
        if isChurn { parts.append("one message each") }
        if idleConnections > 0 { parts.append("\(idleConnections) idle beside") }
        return parts.joined(separator: ", ")
    }

    private static func number(_ value: Double) -> String {
        value.rounded() == value && value < 1e15 ? "\(Int(value))" : "\(value)"
    }
}
