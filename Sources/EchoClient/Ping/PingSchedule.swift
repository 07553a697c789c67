import EchoSockets

/// When the probes of an endpoint are due: every interval from a start, whatever became of those
/// before.
struct PingSchedule: Hashable, Sendable {
    /// When the first probe is due.
    let start: MonotonicTime
    private let interval: Int64

    /// The schedule of one endpoint of several, which are spread evenly over the interval.
    ///
    /// - Parameters:
    ///   - start: when the first probe of the first endpoint is due.
    ///   - interval: from one probe to the next, more than zero.
    ///   - endpoint: which one it is.
    ///   - endpoints: how many there are.
    ///   - now: the moment before which no probe is to be due: an endpoint that joins later takes
    ///     the first place on the grid after it.
    init(
        start: MonotonicTime,
        interval: Duration,
        endpoint: Int = 0,
        of endpoints: Int = 1,
        notBefore now: MonotonicTime? = nil
    ) {
        self.interval = max(1, interval.nanoseconds)
        let share = self.interval / Int64(max(1, endpoints)) * Int64(endpoint)
        let first = start.nanoseconds + share
        let passed = max(0, (now ?? start).nanoseconds - first)
        let skipped = (passed + self.interval - 1) / self.interval
        self.start = MonotonicTime(nanoseconds: first + skipped * self.interval)
    }

    /// When a probe is due.
    func moment(of sequence: Int) -> MonotonicTime {
        let (product, overflow) = interval.multipliedReportingOverflow(by: Int64(sequence))
        return start + .nanoseconds(overflow ? .max : product)
    }

    /// The last probe that is due by a moment; negative if none is.
    func last(dueBy moment: MonotonicTime) -> Int {
        let passed = moment.nanoseconds - start.nanoseconds
        return passed < 0 ? -1 : Int(passed / interval)
    }
}
