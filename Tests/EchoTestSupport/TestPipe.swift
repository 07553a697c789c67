import CEchoLinux
package import EchoSockets
import Glibc

/// A pipe between a test and what it tests; both ends block and are close-on-exec.
package final class TestPipe: Sendable {
    private let ends: Locked<(reading: CInt, writing: CInt)>

    /// Opens the pipe.
    ///
    /// The corresponding C function is `pipe2`.
    package init() throws(SystemError) {
        var numbers: [CInt] = [-1, -1]
        try systemCall("pipe2") { unsafe pipe2(&numbers, O_CLOEXEC) }
        ends = Locked((numbers[0], numbers[1]))
    }

    deinit {
        closeReading()
        closeWriting()
    }

    /// The end to read from, until it is closed.
    package var reading: CInt { ends.withLock { $0.reading } }

    /// The end to write to, until it is closed.
    package var writing: CInt { ends.withLock { $0.writing } }

    /// Closes the end to read from: writing fails from now on.
    package func closeReading() {
        ends.withLock { ends in
            if ends.reading >= 0 { close(ends.reading) }
            ends.reading = -1
        }
    }

    /// Closes the end to write to: the reader finds the end of the stream.
    package func closeWriting() {
        ends.withLock { ends in
            if ends.writing >= 0 { close(ends.writing) }
            ends.writing = -1
        }
    }

    /// Writes everything; waits on a thread while the pipe is full.
    package func write(_ bytes: [UInt8]) async throws {
        let number = writing
        try await onThread(within: .seconds(150)) { try writeAll(bytes, to: number) }
    }

    /// Writes text.
    package func write(_ text: String) async throws {
        try await write([UInt8](text.utf8))
    }

    /// Reads to the end of the stream on a thread.
    ///
    /// - Parameter limit: how long it may take.
    /// - Returns: everything.
    /// - Throws: the error of `read`, or ``DeadlineExceeded``.
    package func readToEnd(within limit: Duration = .seconds(150)) async throws -> [UInt8] {
        let number = reading
        return try await onThread(within: limit) {
            var bytes: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 64 * 1024)
            while true {
                let count = try systemCall("read") {
                    unsafe Glibc.read(number, &buffer, buffer.count)
                }
                if count == 0 { return bytes }
                bytes += buffer[..<count]
            }
        }
    }
}

/// Writes everything to a descriptor; blocks.
///
/// - Parameters:
///   - bytes: what to write.
///   - number: where to.
/// - Throws: the error of `write`, such as `EPIPE` where `SIGPIPE` is ignored.
package func writeAll(_ bytes: [UInt8], to number: CInt) throws(SystemError) {
    var written = 0
    while written < bytes.count {
        written += try systemCall("write") {
            unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.write(
                    number,
                    buffer.baseAddress.map { unsafe $0 + written },
                    buffer.count - written
                )
            }
        }
    }
}
