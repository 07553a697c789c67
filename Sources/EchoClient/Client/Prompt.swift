import EchoSockets
import Glibc

/// An echo client at a terminal: prompts for a line, sends it, and prints what comes back.
///
///     Send: hello
///     Received [5 bytes]: 'hello'
///
/// A line is sent as it was typed, without its end; an empty one is not sent. It prints whatever
/// comes back, even if it is less or more than was sent, and says so; through ``escapedText(_:)``,
/// so that no server can manipulate the terminal. Below an answer of other bytes, it prints the
/// first difference.
package struct Prompt: Sendable {
    private let input: CInt
    private let output: CInt
    private var typed: [UInt8] = []
    private var inputHasEnded = false
    private var buffer = [UInt8](repeating: 0, count: 16 * 1024)
    private var limit: AnswerLimit
    private let verifies: Bool
    private var difference: ByteDifference?
    // The last line, and its answer so far.
    private var line: [UInt8] = []
    private var answer: [UInt8] = []
    // Whether the next text begins a line.
    private var isAtLineStart = true

    /// A client that talks to a person over two descriptors, which stay open.
    ///
    /// - Parameters:
    ///   - input: where lines come from; standard input by default.
    ///   - output: where the prompt and the answers go; standard output by default.
    ///   - timeout: how long the server may stall while it owes something; `nil` means for ever.
    ///   - verifies: whether to compare each answer with its line.
    package init(
        input: CInt = STDIN_FILENO,
        output: CInt = STDOUT_FILENO,
        timeout: Duration? = nil,
        verifies: Bool = true
    ) {
        self.input = input
        self.output = output
        self.verifies = verifies
        limit = AnswerLimit(timeout)
    }

    /// Runs until the input or the connection ends.
    ///
    /// Blocks; any thread.
    package func run(_ connection: borrowing ConnectedSocket) -> PromptResult {
        var run = self
        let end = withoutBrokenPipeSignal { run.converse(connection.socket) }
        return PromptResult(end: end, difference: run.difference)
    }

    private mutating func converse(_ socket: borrowing Socket) -> PromptEnd {
        do {
            while true {
                try write("Send: ")
                guard let next = try nextLine(socket) else { break }
                // A terminal has shown the end of the line that was typed.
                isAtLineStart = isTerminal(input)
                if next.isEmpty { continue }
                line = next
                try exchange(socket)
                try showAnswer()
            }
            try write("\n")
        } catch .terminalFailed(let error) {
            return .terminalFailed(error)
        } catch {
            return end(error)
        }
        socket.shutdown(.sending)
        return .inputEnded
    }

    // What has arrived is still shown; the message that follows starts on a line of its own.
    private mutating func end(_ reason: Broken) -> PromptEnd {
        do {
            switch reason {
            case .banner: try showUnasked("before anything was sent")
            case .unasked: try showUnasked("that were not sent")
            default: if !answer.isEmpty { try showAnswer() }
            }
            if !isAtLineStart { try write("\n") }
        } catch .terminalFailed(let error) {
            return .terminalFailed(error)
        } catch {}
        return reason.end
    }

    private mutating func showAnswer() throws(Broken) {
        let length =
            switch answer.count - line.count {
            case 0: ""
            case let more where more > 0: ", \(more) more than sent"
            case let less: ", \(-less) less than sent"
            }
        try write("Received [\(answer.count) bytes\(length)]: '\(escapedText(answer))'\n")
        if verifies, let found = ByteDifference(between: line, and: answer) {
            difference = difference ?? found
            try write("The answer \(found)\n")
        }
        answer = []
    }

    private mutating func showUnasked(_ how: String) throws(Broken) {
        try write("Received [\(answer.count) bytes \(how)]: '\(escapedText(answer))'\n")
        answer = []
    }

    // The next line without its end; `nil` at the end of the input.
    private mutating func nextLine(_ socket: borrowing Socket) throws(Broken) -> [UInt8]? {
        // No byte is scanned twice: a line may be long.
        var searched = 0
        while true {
            if let end = typed[searched...].firstIndex(of: 0x0A) {
                let line = Array(typed[..<end])
                typed.removeSubrange(...end)
                return line
            }
            if inputHasEnded {
                if typed.isEmpty { return nil }
                defer { typed = [] }
                return typed
            }
            searched = typed.count
            let ready = wait(socket, POLLIN, forInput: true)
            if ready.socket { try expectNothing(socket) }
            if ready.input { try readInput() }
        }
    }

    private mutating func readInput() throws(Broken) {
        let number = input
        let count = transferCall { unsafe read(number, &buffer, buffer.count) }
        if count < 0, count != -Int(EAGAIN) {
            throw .terminalFailed(Errno(rawValue: CInt(-count)))
        }
        inputHasEnded = count == 0
        typed += buffer.prefix(max(count, 0))
    }

    // The server owes nothing while a line is being typed: what comes is the connection's end, or
    // an error.
    private mutating func expectNothing(_ socket: borrowing Socket) throws(Broken) {
        switch unsafe buffer.withUnsafeMutableBytes({ unsafe socket.receive(into: $0) }) {
        case .bytes(let count):
            answer += buffer[..<count]
            if !isAtLineStart { try write("\n") }
            throw line.isEmpty ? .banner : .unasked
        case .endOfStream: throw .serverEnded
        case .failed(let error): throw .connectionLost(error)
        case .wouldBlock, .interrupted: break
        }
    }

    // Sends a line and waits for as many bytes; reads while it sends, as the line may be long.
    private mutating func exchange(_ socket: borrowing Socket) throws(Broken) {
        var sent = 0
        limit.restart()
        while answer.count < line.count {
            let ready = wait(socket, sent < line.count ? POLLIN | POLLOUT : POLLIN, forInput: false)
            if !ready.socket, limit.isOver {
                throw .timedOut(missing: line.count - answer.count)
            }
            // First: a server that is gone may have answered before.
            try receive(socket)
            if sent < line.count { sent += try send(line[sent...], socket) }
        }
        if answer.count > line.count { throw .surplus }
    }

    private mutating func send(
        _ bytes: ArraySlice<UInt8>,
        _ socket: borrowing Socket
    ) throws(Broken) -> Int {
        switch unsafe bytes.withUnsafeBytes({ unsafe socket.send($0) }) {
        case .bytes(let count):
            limit.restart()
            return count
        case .failed(let error):
            // Earlier bytes can still be received.
            while case .bytes(let count) = unsafe buffer.withUnsafeMutableBytes({
                unsafe socket.receive(into: $0)
            }) { answer += buffer[..<count] }
            throw .connectionLost(error)
        case .endOfStream, .wouldBlock, .interrupted: return 0
        }
    }

    private mutating func receive(_ socket: borrowing Socket) throws(Broken) {
        switch unsafe buffer.withUnsafeMutableBytes({ unsafe socket.receive(into: $0) }) {
        case .bytes(let count):
            answer += buffer[..<count]
            limit.restart()
        case .endOfStream: throw .serverEnded
        case .failed(let error): throw .connectionLost(error)
        case .wouldBlock, .interrupted: break
        }
    }

    private mutating func wait(
        _ socket: borrowing Socket,
        _ events: Int32,
        forInput: Bool
    ) -> (socket: Bool, input: Bool) {
        var entries = [
            pollfd(fd: socket.number, events: Int16(events), revents: 0),
            pollfd(fd: forInput ? input : -1, events: Int16(POLLIN), revents: 0),
        ]
        let timeout = limit.pollTimeout(isOwed: !forInput)
        _ = transferCall { unsafe Int(poll(&entries, 2, timeout)) }
        return (entries[0].revents != 0, entries[1].revents != 0)
    }

    private mutating func write(_ text: String) throws(Broken) {
        isAtLineStart = text.hasSuffix("\n")
        if let error = writeAll(Array(text.utf8), to: output).error { throw .terminalFailed(error) }
    }
}

/// Why a conversation cannot go on.
private enum Broken: Error {
    case serverEnded
    case connectionLost(Errno)
    case surplus
    case unasked
    case banner
    case timedOut(missing: Int)
    case terminalFailed(Errno)

    var end: PromptEnd {
        switch self {
        case .serverEnded: .serverEnded
        case .connectionLost(let error): .connectionLost(error)
        case .surplus, .unasked: .surplus
        case .banner: .banner
        case .timedOut(let missing): .timedOut(missing: missing)
        case .terminalFailed(let error): .terminalFailed(error)
        }
    }
}
