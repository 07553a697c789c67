import EchoClient
import EchoSockets
import Glibc

/// Writes what becomes of the probes to standard output on a separate thread, so that no probe
/// waits for the reader.
///
/// Any thread.
final class PingPrinter: Sendable {
    private enum Item: Sendable {
        case probe(EchoPing.Probe)
        case text(String)
    }

    private final class Result: Sendable {
        let value = Locked<(failure: Errno?, lost: Int)>((nil, 0))
    }

    private let result = Result()
    private let queue: DeliveryQueue<Item>
    // As much as a reader that stalls for a while may leave to be written.
    private static let limit = 65_536

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - line: makes the line of a probe.
    ///   - onFailure: is called when the output is closed or full.
    /// - Throws: `EAGAIN` when the system allows no further thread.
    init(
        _ line: @escaping @Sendable (EchoPing.Probe) -> String,
        onFailure: @escaping @Sendable () -> Void
    ) throws(SystemError) {
        queue = DeliveryQueue(count: Self.limit, size: .max) { [result] batch in
            let text = batch.elements.map { item in
                switch item {
                case .probe(let probe): line(probe)
                case .text(let text): text
                }
            }.joined()
            guard result.value.withLock({ $0.failure }) == nil else { return }
            let error = writeAll(Array(text.utf8), to: STDOUT_FILENO).error
            result.value.withLock { $0 = (error, $0.lost + batch.dropped) }
            if error != nil { onFailure() }
        }
        try queue.start(name: "output")
    }

    /// Writes the line of a probe.
    func write(_ probe: EchoPing.Probe) {
        queue.add(.probe(probe), size: 0)
    }

    /// Writes a text.
    func write(_ text: String) {
        queue.add(.text(text), size: 0)
    }

    /// Waits until everything is written, and says on standard error how many lines were lost.
    ///
    /// - Throws: `CommandError` if standard output is closed or full, or has no reader.
    func finish() throws(CommandError) {
        // However long the reader takes.
        while !queue.flush(within: .seconds(3600)) {}
        queue.finish()
        let (failure, lost) = result.value.withLock { $0 }
        if let failure {
            throw CommandError(
                exitCode: Exit.system,
                message: "cannot write the output: \(failure)"
            )
        }
        guard lost > 0 else { return }
        StandardError.write(
            StandardError.format.failure(
                "\(lost) lines were lost: standard output did not take them"
            )
        )
    }
}
