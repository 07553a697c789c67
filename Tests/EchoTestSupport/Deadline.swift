import EchoSockets
import Glibc

/// Something did not happen in time.
package struct DeadlineExceeded: Error, CustomStringConvertible {
    /// What was waited for, and how long.
    package let description: String

    /// With what did not happen.
    package init(description: String) {
        self.description = description
    }
}

/// How long tests wait for what should happen at once: far longer than any machine needs, so that
/// reaching it is a failure and never a slow day.
package let patience: Duration = isSanitized ? .seconds(40) : .seconds(20)

/// Waits until a condition holds, looking every few milliseconds.
///
/// - Parameters:
///   - limit: how long to go on looking.
///   - condition: what is to become true.
/// - Returns: whether it became true in time.
package func eventually(
    within limit: Duration = patience,
    _ condition: () async throws -> Bool
) async rethrows -> Bool {
    let end = MonotonicTime.now + limit
    var milliseconds: CInt = 1
    while true {
        if try await condition() { return true }
        if MonotonicTime.now >= end { return false }
        await pause(milliseconds: milliseconds)
        milliseconds = min(milliseconds * 2, 16)
    }
}

/// The same on a thread that may block.
///
/// - Parameters:
///   - limit: how long to go on looking.
///   - condition: what is to become true.
/// - Returns: whether it became true in time.
package func eventuallyBlocking(
    within limit: Duration = patience,
    _ condition: () throws -> Bool
) rethrows -> Bool {
    let end = MonotonicTime.now + limit
    var pause: CInt = 1
    while true {
        if try condition() { return true }
        if MonotonicTime.now >= end { return false }
        wait(milliseconds: pause)
        pause = min(pause * 2, 16)
    }
}

/// Runs an operation, and gives up on it when the time is over; it is cancelled then, but not
/// waited for.
///
/// - Parameters:
///   - limit: how long the operation may take.
///   - what: names the operation in the error.
///   - body: the operation.
/// - Returns: what the operation returned.
/// - Throws: what it threw, or ``DeadlineExceeded``.
package func withDeadline<Result: Sendable>(
    _ limit: Duration = patience,
    _ what: String = "the operation",
    _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    let outcome = Completion<Swift.Result<Result, any Error>>()
    let wakeup = try Wakeup()
    let task = Task {
        do {
            outcome.complete(.success(try await body()))
        } catch {
            outcome.complete(.failure(error))
        }
        wakeup.signal()
    }
    try expire(outcome, after: limit, unless: wakeup, what)
    let result = await outcome.value
    task.cancel()
    return try result.get()
}

/// Blocks the calling thread until a descriptor is readable or at its end.
///
/// - Returns: whether it became so in time.
package func isReadable(_ number: CInt, within limit: Duration = patience) -> Bool {
    waitFor(POLLIN, on: number, within: limit)
}

/// Blocks the calling thread until a descriptor can be written to.
///
/// - Returns: whether it became so in time.
package func isWritable(_ number: CInt, within limit: Duration = patience) -> Bool {
    waitFor(POLLOUT, on: number, within: limit)
}

private func waitFor(_ events: Int32, on number: CInt, within limit: Duration) -> Bool {
    let end = MonotonicTime.now + limit
    while true {
        var entry = pollfd(fd: number, events: Int16(events), revents: 0)
        let count = unsafe poll(&entry, 1, (end - .now).millisecondsRoundedUp)
        if count > 0 { return true }
        if MonotonicTime.now >= end { return false }
    }
}

/// Fills a connection for good: a receiver's kernel acknowledges up to 200 ms late, which makes
/// room once more.
///
/// - Parameter send: sends without waiting, and returns how many bytes were taken.
/// - Returns: how many bytes were taken in all.
package func filled(_ send: () -> Int) -> Int {
    var all = 0
    while true {
        var count = 0
        while case let taken = send(), taken > 0 { count += taken }
        all += count
        if count == 0 { return all }
        wait(milliseconds: 300)
    }
}

func wait(milliseconds: CInt) {
    _ = poll(nil, 0, milliseconds)
}
