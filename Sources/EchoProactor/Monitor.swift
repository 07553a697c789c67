import EchoSockets
import Glibc

/// A mutual-exclusion lock with condition variables, for short critical sections and long waits.
///
/// Spins briefly before it sleeps. The corresponding C type is `pthread_mutex_t`.
@safe final class Monitor: @unchecked Sendable {
    fileprivate let mutex: UnsafeMutablePointer<pthread_mutex_t>

    init() {
        unsafe mutex = .allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        var attributes = pthread_mutexattr_t()
        unsafe pthread_mutexattr_init(&attributes)
        unsafe pthread_mutexattr_settype(&attributes, CInt(PTHREAD_MUTEX_ADAPTIVE_NP))
        unsafe pthread_mutex_init(mutex, &attributes)
        unsafe pthread_mutexattr_destroy(&attributes)
    }

    deinit {
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    func lock() {
        unsafe pthread_mutex_lock(mutex)
    }

    func unlock() {
        unsafe pthread_mutex_unlock(mutex)
    }

    func withLock<Result>(_ body: () -> Result) -> Result {
        lock()
        defer { unlock() }
        return body()
    }
}

/// Where threads wait for a change of what a ``Monitor`` guards.
///
/// The corresponding C type is `pthread_cond_t`, on the monotonic clock.
@safe final class Condition: @unchecked Sendable {
    private let condition: UnsafeMutablePointer<pthread_cond_t>

    init() {
        unsafe condition = .allocate(capacity: 1)
        unsafe condition.initialize(to: pthread_cond_t())
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(condition, &attributes)
        unsafe pthread_condattr_destroy(&attributes)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe condition.deallocate()
    }

    /// Waits for a signal; may return without one.
    ///
    /// The monitor is held before and after.
    func wait(_ monitor: Monitor, until deadline: Deadline = .never) {
        guard let moment = deadline.moment else {
            unsafe pthread_cond_wait(condition, monitor.mutex)
            return
        }
        var time = timespec(
            tv_sec: Int(moment.nanoseconds / 1_000_000_000),
            tv_nsec: Int(moment.nanoseconds % 1_000_000_000)
        )
        unsafe pthread_cond_timedwait(condition, monitor.mutex, &time)
    }

    func signal() {
        unsafe pthread_cond_signal(condition)
    }

    func broadcast() {
        unsafe pthread_cond_broadcast(condition)
    }
}
