import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc

/// The server that faults are injected into: the built command, on TCP and on a Unix socket.
final class Subject: Sendable {
    let process: RunningProcess
    /// Its TCP address.
    let address: SocketAddress
    /// Its Unix socket.
    let unixAddress: SocketAddress
    private let folder: TemporaryFolder

    /// Starts it and waits until it listens.
    init(_ program: String, _ model: EchoServer.IOModel, _ flags: [String] = []) async throws {
        folder = try TemporaryFolder()
        let path = folder.path("socket")
        process = try RunningProcess(
            program,
            ["--model", model.rawValue, "--listen", "127.0.0.1:0", "--listen", "unix:\(path)"]
                + flags
        )
        unixAddress = .unix(path)
        _ = try await process.line { $0 == "listening on unix:\(path)" }
        let line = try await process.line { $0.hasPrefix("listening on 127.0.0.1:") }
        let endpoint = try Endpoint(parsing: String(line.dropFirst("listening on ".count)))
        guard let address = try endpoint.resolve().first else {
            throw Failed(description: "\(line): no address")
        }
        self.address = address
    }

    var figures: ProcessFigures { ProcessFigures(pid: process.pid) }

    /// What may explain why it does not do what it should.
    var condition: String {
        let figures = figures
        let log = process.lines(of: .standardError).suffix(3).joined(separator: "\n  ")
        return "the server has \(figures.openDescriptorCount) descriptors, used "
            + "\(figures.cpuTime) of CPU, and last said:\n  \(log)"
    }

    /// How often a text is in the lines that it has logged.
    func logCount(of text: String) -> Int {
        process.lines(of: .standardError).count { $0.contains(text) }
    }

    /// Waits until it has no more than so many descriptors open; gives how many are too many.
    func descriptors(above count: Int) async -> Int {
        var now = 0
        _ = await eventually {
            now = figures.openDescriptorCount
            return now <= count
        }
        return max(0, now - count)
    }

    /// How many descriptors it has open, when that has not changed for half a second.
    func settledDescriptorCount() async throws -> Int {
        var count = figures.openDescriptorCount
        for _ in 0..<40 {
            try await letPass(.milliseconds(500))
            let now = figures.openDescriptorCount
            if now == count { break }
            count = now
        }
        return count
    }

    /// The processor time that it uses in a span.
    func cpuTime(over span: Duration) async throws -> Duration {
        let before = figures.cpuTime
        try await letPass(span)
        return figures.cpuTime - before
    }

    /// The real-time signals that it has handlers for: they interrupt its system calls.
    var caughtRealTimeSignals: [CInt] {
        let mask = figures.caughtSignals
        return (34...64).filter { mask >> ($0 - 1) & 1 != 0 }.map { CInt($0) }
    }

    /// Ends it; gives what is wrong with how it ended.
    func end() async throws -> String? {
        process.send(signal: SIGTERM)
        let result = try await process.result(within: .seconds(60))
        guard result.exit == .code(0) else {
            return "it ended with \(result.exit): \(result.errors.suffix(2000))"
        }
        return result.errors.contains("info: stopped ") ? nil : "it logged no summary"
    }
}

/// The run itself cannot go on.
struct Failed: Error, CustomStringConvertible {
    let description: String
}

/// Uses the processor for nothing while a span of time passes.
func letPass(_ span: Duration) async throws {
    let wakeup = try Wakeup()
    _ = try await onThread { isReadable(wakeup.number, within: span) }
}
