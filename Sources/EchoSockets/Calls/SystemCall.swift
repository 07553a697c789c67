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

/// Writes bytes to a descriptor that may be shared with other processes, and waits whenever it
/// takes none, even if it is non-blocking.
///
/// - Parameters:
///   - bytes: what to write.
///   - descriptor: where to.
///   - end: when to give up at the latest; `nil` for never.
/// - Returns: how many were written, and why no more; `nil` if all were.
package func writeAll(
    _ bytes: [UInt8],
    to descriptor: CInt,
    until end: MonotonicTime? = nil
) -> (count: Int, error: Errno?) {
    var written = 0
    while written < bytes.count {
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        let timeout = end.map { ($0 - .now).millisecondsRoundedUp } ?? -1
        let ready = transferCall { unsafe Int(poll(&entry, 1, timeout)) }
        guard ready > 0 else {
            return (written, Errno(rawValue: ready == 0 ? ETIMEDOUT : CInt(-ready)))
        }
        let count = transferCall {
            unsafe bytes.withUnsafeBytes { bytes in
                // A pipe that poll(2) calls writable takes this much without blocking, pipe(7).
                let part = unsafe UnsafeRawBufferPointer(
                    rebasing: bytes[written...].prefix(Int(PIPE_BUF))
                )
                return unsafe write(descriptor, part.baseAddress, part.count)
            }
        }
        if count < 0, count != -Int(EAGAIN) { return (written, Errno(rawValue: CInt(-count))) }
        written += max(0, count)
    }
    return (written, nil)
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
