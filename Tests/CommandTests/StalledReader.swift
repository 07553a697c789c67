import EchoSockets
import EchoTestSupport
import Glibc

/// A pipe that a program writes to and that nobody reads: full from the start.
final class StalledReader: Sendable {
    /// Its name in the file system, for a shell's redirection.
    let path: String
    private let folder: TemporaryFolder
    private let pipe: Descriptor
    // Bytes that it was filled with and that have not been read.
    private let filling: Locked<Int>

    init() throws {
        folder = try TemporaryFolder()
        path = folder.path("pipe")
        let name = path
        try systemCall("mkfifo") { unsafe mkfifo(name, 0o600) }
        // Both ends: opening waits for nobody, and the pipe lasts.
        pipe = Descriptor(
            adopting: try systemCall("open") { unsafe open(name, O_RDWR | O_NONBLOCK | O_CLOEXEC) }
        )
        let number = pipe.rawValue
        let bytes = [UInt8](repeating: UInt8(ascii: "\n"), count: 4096)
        var filling = 0
        while true {
            let count = transferCall { unsafe write(number, bytes, bytes.count) }
            guard count > 0 else { break }
            filling += count
        }
        self.filling = Locked(filling)
    }

    /// A command that starts another one whose standard error is the pipe, and its standard output
    /// too if that is wanted.
    func wrapper(alsoOutput: Bool = false) -> [String] {
        let redirection = alsoOutput ? "> \(path) 2>&1" : "2> \(path)"
        return ["/bin/sh", "-c", "exec \"$0\" \"$@\" \(redirection)"]
    }

    /// Reads from now on, until a line comes that is meant.
    ///
    /// - Returns: all lines up to that one; those that came, if the time is over.
    func lines(until isMeant: (String) -> Bool) async -> [String] {
        var rest: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        let number = pipe.rawValue
        let end = UInt8(ascii: "\n")
        var lines: [String] = []
        _ = await eventually {
            var isThere = false
            while true {
                let count = transferCall { unsafe read(number, &buffer, buffer.count) }
                guard count > 0 else { return isThere }
                rest += buffer[skipFilling(count)..<count]
                let whole = rest.lastIndex(of: end).map { $0 + 1 } ?? 0
                for bytes in rest[..<whole].split(separator: end) {
                    let line = String(decoding: bytes, as: UTF8.self)
                    lines.append(line)
                    isThere = isThere || isMeant(line)
                }
                rest.removeFirst(whole)
            }
        }
        return lines
    }

    private func skipFilling(_ count: Int) -> Int {
        filling.withLock { filling in
            let skipped = min(filling, count)
            filling -= skipped
            return skipped
        }
    }
}
