// How values print themselves. Without these descriptions, values in an array or an optional would
// begin with the names of the module and the type, which are the same.

extension EchoServer.IOModel: CustomStringConvertible {
    /// The name on the command line.
    public var description: String { rawValue }
}

extension EchoServer.Backend: CustomStringConvertible {
    /// The name on the command line.
    public var description: String { rawValue }
}

extension EchoServer.Configuration.FullPolicy: CustomStringConvertible {
    /// The name on the command line.
    public var description: String { rawValue }
}

extension EchoServer.Configuration.Splicing: CustomStringConvertible {
    /// The name on the command line.
    public var description: String { rawValue }
}

extension EchoServer.RejectionReason: CustomStringConvertible {
    /// The name in logs and metrics.
    public var description: String { rawValue }
}

extension EchoServer.DatagramRefusal: CustomStringConvertible {
    /// The name in logs and metrics.
    public var description: String { rawValue }
}

extension EchoServer.CloseReason: CustomStringConvertible {
    /// The name in logs and metrics.
    public var description: String { rawValue }
}

extension EchoServer.Metric: CustomStringConvertible {
    /// The name in metrics.
    public var description: String { rawValue }
}

extension EchoServer.AdmissionDecision: CustomStringConvertible {
    /// `accept`, `reject` or `defer`.
    public var description: String {
        switch self {
        case .accept: "accept"
        case .reject: "reject"
        case .defer: "defer"
        }
    }
}

extension EchoServer.AdmissionRequest: CustomStringConvertible {
    /// The whole request, on one line.
    public var description: String { fields(of: self) }
}

extension EchoServer.Configuration: CustomStringConvertible {
    /// All settings, on one line.
    public var description: String { fields(of: self) }
}

extension EchoServer.Statistics: CustomStringConvertible {
    /// All counts, on one line.
    public var description: String { fields(of: self) }
}

/// The names and values of what a value stores.
private func fields(of value: Any) -> String {
    Mirror(reflecting: value).children.map { label, value in
        let mirror = Mirror(reflecting: value)
        let text =
            switch mirror.displayStyle {
            case .optional: mirror.children.first.map { "\($0.value)" } ?? "nil"
            default: "\(value)"
            }
        return "\(label ?? ""): \(text)"
    }.joined(separator: ", ")
}
