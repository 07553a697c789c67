import CEchoLinux

extension Thread {
    /// Sets how much later than asked for the calling thread's timed waits may end.
    ///
    /// The corresponding C function is `prctl` with `PR_SET_TIMERSLACK`.
    ///
    /// - Parameter nanoseconds: at least 1; 50,000 unless it is set.
    package static func setTimerSlack(nanoseconds: Int) {
        _ = clinux_set_timer_slack(UInt(max(1, nanoseconds)))
    }
}
