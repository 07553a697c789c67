import ArgumentParser
import EchoClient

/// What is too slow, or too much loss: `10ms`, `20%` or `10ms,20%`.
struct PingThreshold: Hashable, Sendable {
    /// The mean round trip that breaks it.
    var roundTrip: Duration?
    /// The percentage of lost probes that breaks it.
    var loss: Double?

    /// Parses the text of a flag.
    static func parse(_ text: String) throws -> PingThreshold {
        var threshold = PingThreshold()
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            if part.hasSuffix("%") {
                guard threshold.loss == nil, let loss = percentage(part.dropLast()) else {
                    throw complaint
                }
                threshold.loss = loss
            } else {
                guard threshold.roundTrip == nil,
                    let time = try? Parse.positiveDuration(String(part))
                else { throw complaint }
                threshold.roundTrip = time
            }
        }
        return threshold
    }

    private static let complaint = ValidationError(
        "it must be a round trip, a percentage of lost probes or both, such as 10ms,20%"
    )

    private static func percentage(_ text: Substring) -> Double? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == 0x2E }),
            let value = Double(text), value > 0, value <= 100
        else { return nil }
        return value
    }

    /// Whether an endpoint reaches it.
    func isBroken(by report: EchoPing.EndpointReport) -> Bool {
        let isLossy = loss.map { (report.loss ?? 0) * 100 >= $0 } ?? false
        guard let roundTrip else { return isLossy }
        // Without any answer, there is no mean to compare.
        return isLossy || (report.roundTrip.map { $0.mean >= roundTrip } ?? (report.loss == 1))
    }
}
