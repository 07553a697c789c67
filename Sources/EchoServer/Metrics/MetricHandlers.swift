import CoreMetrics

/// The handlers of a metrics backend for everything a server counts, and what they have received.
///
/// They are never destroyed: a backend may be read after the server has ended, and another server
/// may count under the same names. Everything is reported as a difference, so that several servers
/// of one process add up. Confined to one thread.
struct MetricHandlers {
    fileprivate enum Kind {
        case counter(any CounterHandler)
        case gauge(any MeterHandler)
    }

    fileprivate struct Handler {
        let kind: Kind
        var told: UInt64 = 0
    }

    // For each metric, for each of its samples.
    private var handlers: [[Handler]]

    /// Creates and registers the handlers, so that a rate is known from the first event on.
    init(_ factory: any MetricsFactory) {
        let nothing = EchoServer.Statistics()
        handlers = EchoServer.Metric.allCases.map { metric in
            metric.samples(of: nothing).map { sample in
                let dimensions = sample.dimensionValue.map { [(metric.dimension ?? "", $0)] } ?? []
                if metric.isGauge {
                    let meter = factory.makeMeter(label: metric.rawValue, dimensions: dimensions)
                    meter.increment(by: 0)
                    return Handler(kind: .gauge(meter))
                }
                let counter = factory.makeCounter(label: metric.rawValue, dimensions: dimensions)
                counter.increment(by: 0)
                return Handler(kind: .counter(counter))
            }
        }
    }

    /// Reports what has changed since the last time.
    mutating func tell(_ statistics: EchoServer.Statistics) {
        for (index, metric) in EchoServer.Metric.allCases.enumerated() {
            for (position, sample) in metric.samples(of: statistics).enumerated() {
                handlers[index][position].tell(sample.value)
            }
        }
    }
}

extension MetricHandlers.Handler {
    fileprivate mutating func tell(_ value: UInt64) {
        switch kind {
        case .gauge(let meter) where value > told: meter.increment(by: Double(value - told))
        case .gauge(let meter) where value < told: meter.decrement(by: Double(told - value))
        case .counter(let counter) where value > told:
            counter.increment(by: Int64(clamping: value - told))
        // A counter is lowered for a moment when an admission is taken back.
        case .gauge, .counter: return
        }
        told = value
    }
}
