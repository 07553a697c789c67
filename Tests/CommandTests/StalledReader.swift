import Glibc
import Sockets
import TestSupport

/// A pipe that a program writes to and that nobody reads: full from the start.
final class StalledReader: Sendable {
    /// Its name in the file system, for a shell's redirection.
    let path: String
    private let folder: TemporaryFolder
    private let pipe: Descriptor
    private let filling: Int

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
        self.filling = filling
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
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        let number = pipe.rawValue
        var lines: [String] = []
        _ = await eventually {
            while true {
                let count = transferCall { unsafe read(number, &buffer, buffer.count) }
                guard count > 0 else { break }
                bytes += buffer[..<count]
            }
            lines = bytes.dropFirst(filling).split(separator: UInt8(ascii: "\n"))
                .map { String(decoding: $0, as: UTF8.self) }
            return lines.contains(where: isMeant)
        }
        return lines
    }
}
