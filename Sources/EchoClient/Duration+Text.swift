import EchoSockets

extension Duration {
    /// In the largest unit that shows it exactly, down to microseconds: `500ms`, `2s`.
    var shortText: String {
        let microseconds = nanoseconds / 1000
        if microseconds % 1_000_000 == 0 { return "\(microseconds / 1_000_000)s" }
        return microseconds % 1000 == 0 ? "\(microseconds / 1000)ms" : "\(microseconds)us"
    }
}
