import EchoSockets
import Glibc

/// Writes without buffering.
enum Output {
    /// Writes a text to standard output, as the command's only result.
    ///
    /// - Parameter text: the text, with the ends of its lines.
    /// - Throws: `CommandError` if standard output is closed or full, or has no reader.
    static func print(_ text: String) throws(CommandError) {
        guard let error = write(text, to: STDOUT_FILENO) else { return }
        throw CommandError(exitCode: Exit.system, message: "cannot write the output: \(error)")
    }

    /// Writes a text to standard output if possible; a failure is no reason to stop serving.
    static func write(_ text: String) {
        _ = write(text, to: STDOUT_FILENO)
    }

    private static func write(_ text: String, to descriptor: CInt) -> Errno? {
        var text = text
        return text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while rest.count > 0 {
                let count = unsafe Glibc.write(descriptor, rest.baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return Errno.current }
                unsafe rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
            return nil
        }
    }

    /// Writes as much of a text as a pipe, a terminal or a socket takes within a time.
    static func write(_ text: String, to descriptor: CInt, within limit: Duration) {
        let end = MonotonicTime.now + limit
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            guard unsafe poll(&entry, 1, (end - .now).millisecondsRoundedUp) > 0 else { return }
            // A writable pipe takes this much at once, pipe(7).
            let count = transferCall {
                unsafe rest.prefix(4096).withUnsafeBytes { bytes in
                    unsafe Glibc.write(descriptor, bytes.baseAddress, bytes.count)
                }
            }
            guard count > 0 || count == -Int(EAGAIN) else { return }
            rest = rest.dropFirst(max(0, count))
        }
    }
}
