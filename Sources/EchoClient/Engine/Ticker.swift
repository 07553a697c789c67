import EchoProactor
import EchoSockets

/// Moments at a fixed rate, none of which moves because one was late.
///
/// Belongs to the loop's thread.
final class Ticker {
    private let loop: ClientLoop
    private let interval: Double
    private var start: Int64
    private let body: () -> Void
    private let timer = EchoProactor.Operation()
    private var count = 0
    private var isCancelled = false

    /// Ticks until it is cancelled.
    ///
    /// - Parameters:
    ///   - loop: whose thread it is for.
    ///   - interval: nanoseconds between two moments.
    ///   - start: the first moment.
    ///   - body: called once for each moment that has come.
    init(_ loop: ClientLoop, interval: Double, from start: Int64, _ body: @escaping () -> Void) {
        self.loop = loop
        self.interval = interval
        self.start = start
        self.body = body
        timer.routine = { [unowned self] error, _, _ in
            if error == nil { tick() }
        }
        wait()
    }

    private var next: MonotonicTime {
        MonotonicTime(nanoseconds: start + Int64(Double(count) * interval))
    }

    private func wait() {
        loop.loop.wait(timer, until: next)
    }

    private func tick() {
        let now = MonotonicTime.now
        while next <= now, !isCancelled {
            count += 1
            body()
        }
        if !isCancelled { wait() }
    }

    /// Has all moments that have not come yet come later.
    ///
    /// - Parameter pause: nanoseconds.
    func delay(by pause: Int64) {
        start += pause
    }

    /// Ends it; what is to be called is called no more.
    func cancel() {
        isCancelled = true
        timer.routine = nil
        loop.loop.cancelWait(timer)
    }
}
