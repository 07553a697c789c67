package import EchoSockets
import Glibc

/// An echo client over UDP: each line of its input is a datagram, and each answer is written.
///
/// One line at a time: the next is sent when the answer has come, or is given up. As a filter it
/// sends lines with their ends, so that the output is the input, byte for byte, if nothing was
/// lost. At a terminal it prompts, sends lines as they were typed, without their ends, and shows
/// what comes back through ``escapedText(_:)``:
///
///     Send: hello
///     Received [5 bytes]: 'hello'
///
/// It sends no more than ``rate`` lines a second. An empty line is an empty datagram at a terminal,
/// and one of a line's end in a filter.
package struct LineClient: ~Copyable {
    /// Lines a second, at most: more than servers that guard against loops answer by default.
    static let rate = 1000

    private let input: CInt
    private let output: CInt
    private let isTerminal: Bool
    private let timeout: Duration?
    private let verifies: Bool
    private let report: (String) -> Void
    private var reader: LineReader
    private var link: DatagramLink
    private var memory = LineMemory()
    private var result = LineResult()
    private var nextSend = MonotonicTime.now
    // Whether the next text begins a line.
    private var isAtLineStart = true

    /// A client between two descriptors, which stay open.
    ///
    /// - Parameters:
    ///   - endpoint: the server: of its addresses, the first that does not refuse the first line.
    ///   - input: where lines come from; standard input by default.
    ///   - output: where answers go; standard output by default.
    ///   - isTerminal: whether it talks to a person.
    ///   - timeout: how long it waits for each answer; `nil` means for ever.
    ///   - verifies: whether to compare each answer with its line.
    ///   - report: is told of each line that did not come back as it should, in one line.
    /// - Throws: why the name has no address, or why there is no socket.
    package init(
        _ endpoint: Endpoint,
        input: CInt = STDIN_FILENO,
        output: CInt = STDOUT_FILENO,
        isTerminal: Bool,
        timeout: Duration?,
        verifies: Bool,
        report: @escaping (String) -> Void
    ) throws(ConnectError) {
        let link = try DatagramLink.open(endpoint)
        self.input = input
        self.output = output
        self.isTerminal = isTerminal
        self.timeout = timeout
        self.verifies = verifies
        self.report = report
        self.link = link
        reader = LineReader(
            input,
            limit: DatagramSocket.largestPayload,
            keepsEnds: !isTerminal
        )
    }

    /// Runs to the end of the input.
    ///
    /// Blocks; any thread.
    package consuming func run() -> LineResult {
        withoutBrokenPipeSignal { converse() }
    }

    private mutating func converse() -> LineResult {
        do throws(Interrupted) {
            while let line = try nextLine() {
                result.lines += 1
                switch line {
                case .bytes(let bytes): try exchange(Line(number: result.lines, bytes: bytes))
                case .tooLong(let count): refuse(count)
                }
            }
            if isTerminal { try write("\n") }
        } catch {
            result.interruption = error.reason
            if !isAtLineStart { try? write("\n") }
        }
        return result
    }

    // On a line of its own, where a prompt stands.
    private mutating func tell(_ text: String) {
        if !isAtLineStart { try? write("\n") }
        report(text)
    }

    private mutating func refuse(_ count: Int) {
        result.tooLong += 1
        tell(
            "line \(result.lines) has \(count) bytes, but a datagram has "
                + "\(DatagramSocket.largestPayload) at most: it was not sent"
        )
    }

    private mutating func nextLine() throws(Interrupted) -> LineReader.Reading? {
        if isTerminal { try write("Send: ") }
        while true {
            if let line = reader.next() {
                // A terminal has shown the end of the line that was typed.
                isAtLineStart = true
                return line
            }
            if reader.isAtEnd { return nil }
            let ready = link.wait(for: POLLIN, input: input, until: nil)
            try takeAnswers()
            if ready.input, let error = reader.read() {
                throw Interrupted(reason: .inputFailed(error))
            }
        }
    }

    // MARK: Exchanging

    private mutating func exchange(_ line: Line) throws(Interrupted) {
        try keepRate()
        memory.begin(line)
        try send(line)
        let end = timeout.map { MonotonicTime.now + $0 }
        while memory.isOpen {
            _ = link.wait(for: POLLIN, input: -1, until: end)
            try takeAnswers()
            if memory.isOpen, let end, let timeout, end <= .now {
                memory.settle(.late)
                result.late += 1
                tell("\(line) did not come back within \(timeout.inSeconds)")
            }
        }
    }

    private mutating func keepRate() throws(Interrupted) {
        while nextSend > .now {
            _ = link.wait(for: POLLIN, input: -1, until: nextSend)
            try takeAnswers()
        }
        nextSend = .now + .seconds(1) / Self.rate
    }

    private mutating func send(_ line: Line) throws(Interrupted) {
        var isAgain = false
        while let error = link.send(line.bytes) {
            if error.isWouldBlock {
                _ = link.wait(for: POLLOUT, input: -1, until: nil)
            } else if !isAgain, !link.takeErrors().isEmpty {
                // Of an earlier line, most likely.
                isAgain = true
            } else if error.refusesDatagrams {
                return try refused(line, error)
            } else {
                throw Interrupted(reason: .sendingFailed(error))
            }
        }
    }

    // The first line may find out which of several addresses has a server.
    private mutating func refused(_ line: Line, _ error: Errno) throws(Interrupted) {
        guard memory.isOpen else { return }
        if result.answered + result.late == 0, link.useNextAddress() { return try send(line) }
        memory.settle(.refused)
        result.refused += 1
        tell("\(line): \(error)")
    }

    // MARK: Answers

    /// Takes what has come: answers, and errors.
    private mutating func takeAnswers() throws(Interrupted) {
        for error in link.takeErrors() where error.errno.refusesDatagrams {
            guard let line = memory.open, line.bytes.starts(with: error.quoted) else { continue }
            try refused(line, error.errno)
        }
        for answer in link.receive() { try take(answer) }
    }

    private mutating func take(_ answer: DatagramLink.Answer) throws(Interrupted) {
        guard answer.isFromServer else { return takeForeign(answer) }
        switch memory.match(answer.bytes) {
        case .answer(let line):
            memory.settle(.answered)
            result.answered += 1
            try show(answer.bytes, to: line)
        case .late(let line):
            tell("\(line) came back late")
            try show(answer.bytes, to: line)
        case .again(let line): tell("\(line) came back again")
        case .unasked:
            result.wrong += 1
            tell("a datagram came that answers nothing: \(Line.quoted(answer.bytes))")
        }
    }

    private mutating func takeForeign(_ answer: DatagramLink.Answer) {
        let (source, server) = (answer.source, link.server)
        guard let line = memory.open, line.bytes == answer.bytes else {
            return tell(
                "a datagram came from \(source) instead of \(server): \(Line.quoted(answer.bytes))"
            )
        }
        memory.settle(.answered)
        result.misplaced += 1
        tell("\(line) came back from \(source) instead of \(server)")
    }

    private mutating func show(_ bytes: [UInt8], to line: Line) throws(Interrupted) {
        let difference =
            bytes == line.bytes || !verifies
            ? nil : ByteDifference(between: line.bytes, and: bytes)
        if isTerminal {
            let length =
                switch bytes.count - line.bytes.count {
                case 0: ""
                case let more where more > 0: ", \(more) more than sent"
                case let less: ", \(-less) less than sent"
                }
            let start = isAtLineStart ? "" : "\n"
            let text = escapedText(bytes)
            try write("\(start)Received [\(bytes.count) bytes\(length)]: '\(text)'\n")
        } else {
            try write(bytes)
        }
        guard verifies, bytes != line.bytes else { return }
        result.wrong += 1
        let what =
            difference.map { "\($0)" }
            ?? "has \(counted(bytes.count, "byte")) instead of \(line.bytes.count)"
        tell("the answer to \(line) \(what)")
    }

    private mutating func write(_ text: String) throws(Interrupted) {
        isAtLineStart = text.hasSuffix("\n")
        try write(Array(text.utf8))
    }

    private func write(_ bytes: [UInt8]) throws(Interrupted) {
        guard let error = writeAll(bytes, to: output).error else { return }
        throw Interrupted(reason: error.rawValue == EPIPE ? .outputClosed : .outputFailed(error))
    }
}

/// Why it cannot go on.
private struct Interrupted: Error {
    let reason: LineResult.Interruption
}
