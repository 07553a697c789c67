import EchoSockets
import Glibc

/// Writes lines to standard output or standard error on a separate thread, so that no other thread
/// waits for the reader.
///
/// Holds 4 MiB or 32,768 lines at most. Lines are lost and counted if they do not fit, or cannot be
/// written because a disk is full, a size limit is reached or there is no reader; the count is
/// written, as a line, as soon as writing works again. Any thread.
final class LineWriter: Sendable {
    private let queue: DeliveryQueue<[UInt8]>
    private static let countLimit = 32_768
    private static let sizeLimit = 4 << 20
    // A line's overhead beyond its bytes.
    private static let overhead = 64

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - descriptor: where to write, 1 or 2.
    ///   - name: the thread's.
    ///   - lossLine: the line that reports how many lines were lost; `nil` for none.
    /// - Throws: `EAGAIN` when the system allows no further thread.
    init(
        _ descriptor: CInt,
        name: String,
        lossLine: (@Sendable (Int) -> String)?
    ) throws(SystemError) {
        let pen = Locked(Pen(descriptor: descriptor, lossLine: lossLine))
        queue = DeliveryQueue(count: Self.countLimit, size: Self.sizeLimit) { batch in
            // Used by this thread only.
            pen.withLock { $0.write(batch.elements, dropped: batch.dropped) }
        }
        try queue.start(name: name)
    }

    /// Queues a line, without its newline.
    func write(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        queue.add(bytes, size: bytes.count + Self.overhead)
    }

    /// Ends the writer: the thread ends when everything is written.
    func finish() {
        queue.finish()
    }

    /// Waits until all lines are written, or for a time.
    func flush(within limit: Duration) {
        queue.flush(within: limit)
    }
}

/// What the thread of a ``LineWriter`` knows of the lines it has written.
private struct Pen: Sendable {
    let descriptor: CInt
    let lossLine: (@Sendable (Int) -> String)?
    private var lost = 0
    private var isInsideLine = false

    // Writes of up to this size to a pipe are atomic, pipe(7).
    private static let chunkSize = 4096

    init(descriptor: CInt, lossLine: (@Sendable (Int) -> String)?) {
        self.descriptor = descriptor
        self.lossLine = lossLine
    }

    mutating func write(_ lines: [[UInt8]], dropped: Int) {
        var chunk: [UInt8] = []
        var count = 0
        for line in lines {
            if !chunk.isEmpty, chunk.count + line.count > Self.chunkSize {
                write(chunk, count)
                (chunk, count) = ([], 0)
            }
            chunk += line
            count += 1
        }
        write(chunk, count)
        lost += dropped
        if lost > 0 { write([], 0) }
    }

    // After a failure, the loss is reported first, on a line of its own.
    private mutating func write(_ chunk: [UInt8], _ count: Int) {
        var bytes = isInsideLine ? [UInt8(ascii: "\n")] : []
        if lost > 0, let lossLine { bytes += Array((lossLine(lost) + "\n").utf8) }
        let start = bytes.count
        bytes += chunk
        guard !bytes.isEmpty else { return }
        let written = writeAll(bytes, to: descriptor).count
        if written > 0 { isInsideLine = bytes[written - 1] != UInt8(ascii: "\n") }
        if written >= start { lost = 0 }
        lost += count - bytes[start...].prefix(max(0, written - start)).count { $0 == 0x0A }
    }
}
