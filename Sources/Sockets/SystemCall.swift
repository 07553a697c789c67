import Glibc

/// Runs one system call, again if a signal interrupted it, and gives what it returned.
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
