import Glibc
import Sockets

/// The state of a running prompt.
struct PromptRun {
    private let input: CInt
    private let output: CInt
    private var typed: [UInt8] = []
    private var inputHasEnded = false
    private var buffer = [UInt8](repeating: 0, count: 16 * 1024)

    init(_ input: CInt, _ output: CInt) {
        self.input = input
        self.output = output
    }

    mutating func converse(_ socket: borrowing Socket) -> Prompt.End {
        do {
            while true {
                try write("Send: ")
                guard let line = try nextLine(socket) else { break }
                if line.isEmpty { continue }
                let answer = try exchange(line, socket)
                try write("Received [\(answer.count) bytes]: '\(escapedText(answer))'\n")
            }
            try write("\n")
        } catch .terminalFailed(let error) {
            return .terminalFailed(error)
        } catch {
            // The message that follows starts on a line of its own.
            try? write("\n")
            return error.end
        }
        socket.shutdown(.sending)
        return .inputEnded
    }

    // The next line without its end; `nil` at the end of the input.
    private mutating func nextLine(_ socket: borrowing Socket) throws(Broken) -> [UInt8]? {
        while true {
            if let end = typed.firstIndex(of: 0x0A) {
                let line = Array(typed[..<end])
                typed.removeSubrange(...end)
                return line
            }
            if inputHasEnded {
                if typed.isEmpty { return nil }
                defer { typed = [] }
                return typed
            }
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

    // Nothing is owed while a line is being typed: what comes is the connection's end, or wrong.
    private mutating func expectNothing(_ socket: borrowing Socket) throws(Broken) {
        switch unsafe buffer.withUnsafeMutableBytes({ unsafe socket.receive(into: $0) }) {
        case .bytes: throw .surplus
        case .endOfStream: throw .serverEnded
        case .failed(let error): throw .connectionLost(error)
        case .wouldBlock, .interrupted: break
        }
    }

    // Sends a line and waits for as many bytes; reads while it sends, as the line may be long.
    private mutating func exchange(
        _ line: [UInt8],
        _ socket: borrowing Socket
    ) throws(Broken) -> [UInt8] {
        var sent = 0
        var answer: [UInt8] = []
        while answer.count < line.count {
            _ = wait(socket, sent < line.count ? POLLIN | POLLOUT : POLLIN, forInput: false)
            let rest = line[sent...]
            if !rest.isEmpty {
                switch unsafe rest.withUnsafeBytes({ unsafe socket.send($0) }) {
                case .bytes(let count): sent += count
                case .failed(let error): throw .connectionLost(error)
                case .endOfStream, .wouldBlock, .interrupted: break
                }
            }
            switch unsafe buffer.withUnsafeMutableBytes({ unsafe socket.receive(into: $0) }) {
            case .bytes(let count): answer += buffer[..<count]
            case .endOfStream: throw .serverEnded
            case .failed(let error): throw .connectionLost(error)
            case .wouldBlock, .interrupted: break
            }
        }
        if answer.count > line.count { throw .surplus }
        return answer
    }

    private func wait(
        _ socket: borrowing Socket,
        _ events: Int32,
        forInput: Bool
    ) -> (socket: Bool, input: Bool) {
        var entries = [
            pollfd(fd: socket.number, events: Int16(events), revents: 0),
            pollfd(fd: forInput ? input : -1, events: Int16(POLLIN), revents: 0),
        ]
        _ = transferCall { unsafe Int(poll(&entries, 2, -1)) }
        return (entries[0].revents != 0, entries[1].revents != 0)
    }

    private func write(_ text: String) throws(Broken) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let number = output
            let count = transferCall {
                unsafe rest.withUnsafeBytes { unsafe Glibc.write(number, $0.baseAddress, $0.count) }
            }
            if count < 0 { throw .terminalFailed(Errno(rawValue: CInt(-count))) }
            rest = rest.dropFirst(count)
        }
    }
}

/// Why a conversation cannot go on.
private enum Broken: Error {
    case serverEnded
    case connectionLost(Errno)
    case surplus
    case terminalFailed(Errno)

    var end: Prompt.End {
        switch self {
        case .serverEnded: .serverEnded
        case .connectionLost(let error): .connectionLost(error)
        case .surplus: .surplus
        case .terminalFailed(let error): .terminalFailed(error)
        }
    }
}
