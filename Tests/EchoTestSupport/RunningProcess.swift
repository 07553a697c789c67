package import EchoSockets
package import Glibc

/// A program that a test runs and watches.
///
/// It is killed when nobody refers to it any more.
package final class RunningProcess: Sendable {
    /// One of the streams that a program writes to.
    package enum Stream: Sendable {
        /// What it prints.
        case standardOutput
        /// What it complains about.
        case standardError
    }

    /// What a program reads from.
    package enum Input: Sendable {
        /// Nothing: `/dev/null`.
        case none
        /// What ``write(_:)`` gives it, until ``closeInput()``.
        case pipe
        /// A file.
        case file(String)
        /// A terminal of its own, which its output goes to as well: ``write(_:)`` types, and what
        /// the terminal shows is the standard output.
        case terminal
    }

    /// How a program ended.
    package enum Exit: Hashable, Sendable {
        /// By itself, with a code.
        case code(CInt)
        /// By a signal.
        case signal(CInt)
    }

    /// The process.
    package let pid: pid_t
    private let watched: WatchedProcess
    private let input: Locked<CInt>

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - program: its path.
    ///   - arguments: its arguments, without its name.
    ///   - environment: variables to add to those of the tests or to change.
    ///   - directory: where to run it; the tests' own place if `nil`.
    ///   - input: what it reads from.
    /// - Throws: `SystemError` if it could not be started.
    package init(
        _ program: String,
        _ arguments: [String] = [],
        environment: [String: String] = [:],
        directory: String? = nil,
        input: Input = .none
    ) throws(SystemError) {
        let streams = try SpawnStreams(input)
        pid = try streams.spawn(program, arguments, environment, directory)
        let (writing, reading) = streams.keepOwnEnds()
        self.input = Locked(writing)
        watched = WatchedProcess(pid: pid)
        try watched.start(reading: reading)
    }

    deinit {
        send(signal: SIGKILL)
        input.withLock { if $0 >= 0 { close($0) } }
    }

    /// Sends the program a signal, unless it has ended.
    package func send(signal: CInt) {
        watched.send(signal: signal)
    }

    /// Whether the program has not ended yet.
    package var isRunning: Bool { watched.exit.current == nil }

    /// Waits for the program to end.
    ///
    /// - Parameter limit: how long to wait.
    /// - Returns: how it ended.
    /// - Throws: ``DeadlineExceeded``, which quotes what the program wrote.
    package func exit(within limit: Duration = patience) async throws -> Exit {
        guard await eventually(within: limit, { watched.exit.current != nil }),
            let exit = watched.exit.current
        else { throw failure("did not end within \(limit)") }
        return exit
    }

    /// Waits for the program to end and for the end of both its streams, and gives everything.
    ///
    /// - Parameter limit: how long to wait.
    /// - Returns: how it ended, and what it wrote.
    /// - Throws: ``DeadlineExceeded``, which quotes what the program wrote.
    package func result(
        within limit: Duration = patience
    ) async throws -> (exit: Exit, output: [UInt8], errors: String) {
        let exit = try await exit(within: limit)
        guard await eventually(within: limit, { watched.isAtEnd }) else {
            throw failure("left its output open for \(limit)")
        }
        return (exit, bytes(of: .standardOutput), text(of: .standardError))
    }

    /// Waits for a line, those written before included.
    ///
    /// - Parameters:
    ///   - stream: where it is to appear.
    ///   - limit: how long to wait.
    ///   - matches: which line is meant.
    /// - Returns: the first such line, without its end.
    /// - Throws: ``DeadlineExceeded`` if the time is over or the program has ended without it.
    package func line(
        from stream: Stream = .standardOutput,
        within limit: Duration = patience,
        where matches: (String) -> Bool = { _ in true }
    ) async throws -> String {
        var found: String?
        let settled = await eventually(within: limit) {
            let atEnd = watched.isAtEnd
            found = lines(of: stream).first(where: matches)
            return found != nil || atEnd
        }
        if let found { return found }
        throw failure(settled ? "ended without the line" : "did not write the line within \(limit)")
    }

    /// The whole lines written so far.
    package func lines(of stream: Stream) -> [String] {
        var lines = text(of: stream).split(
            omittingEmptySubsequences: false,
            whereSeparator: \.isNewline
        )
        _ = lines.popLast()  // What follows the last line's end.
        return lines.map(String.init)
    }

    /// All that was written so far.
    package func bytes(of stream: Stream) -> [UInt8] {
        watched.written(to: stream)
    }

    /// All that was written so far, as text.
    package func text(of stream: Stream) -> String {
        String(decoding: bytes(of: stream), as: UTF8.self)
    }

    /// Writes to the program's input; waits while the pipe is full.
    ///
    /// - Parameter bytes: what to write.
    /// - Throws: `SystemError` if the program does not read any more.
    package func write(_ bytes: [UInt8]) async throws {
        let number = input.withLock { $0 }
        try await onThread { try writeAll(bytes, to: number) }
    }

    /// Writes text to the program's input.
    package func write(_ text: String) async throws {
        try await write([UInt8](text.utf8))
    }

    /// Ends the program's input.
    ///
    /// On a terminal, type ^D (`"\u{4}"`) instead.
    package func closeInput() {
        input.withLock { number in
            if number >= 0 { close(number) }
            number = -1
        }
    }

    private func failure(_ what: String) -> DeadlineExceeded {
        DeadlineExceeded(
            description: """
                process \(pid) \(what)
                standard output: \(text(of: .standardOutput).suffix(4000))
                standard error: \(text(of: .standardError).suffix(4000))
                """
        )
    }
}
