import Glibc

/// Makes a system call, repeats it if a signal interrupted it, and returns its result.
///
/// The only place that decides about `EINTR`. `errno` is read at once, before anything else
/// (a release, a log line) can change it.
///
/// - Throws: the call's `errno` if it returned a negative value.
@discardableResult
package func systemCall<Result: SignedNumeric & Comparable>(
    _ call: StaticString,
    _ body: () -> Result
) throws(SystemError) -> Result {
    while true {
        let result = body()
        if result >= 0 { return result }
        let number = Errno.current
        if number.rawValue == EINTR { continue }
        throw SystemError(call: call, errno: number)
    }
}

/// The same for calls on the data path, where a failure is an ordinary outcome and nothing is
/// thrown: the result, or the negative of `errno`.
package func transferCall(_ body: () -> Int) -> Int {
    while true {
        let result = body()
        if result >= 0 { return result }
        let number = errno
        if number != EINTR { return -Int(number) }
    }
}

/// Pauses the calling thread for 10 ms after a wait for events failed for another reason than a
/// signal, such as lack of memory.
///
/// Such a wait fails at once, and a loop around it would spin. The corresponding C function is
/// `nanosleep`.
package func pauseAfterFailedWait() {
    var time = timespec(tv_sec: 0, tv_nsec: 10_000_000)
    _ = unsafe nanosleep(&time, nil)
}
