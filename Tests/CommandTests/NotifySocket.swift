import EchoSockets
import EchoTestSupport
import Glibc

/// A service manager's socket for notifications, sd_notify(3).
final class NotifySocket: Sendable {
    /// What `$NOTIFY_SOCKET` is to be.
    let name: String
    private let address: SocketAddress
    private let descriptor: Descriptor
    private let folder: TemporaryFolder?
    private let received = Locked<[String]>([])

    /// Opens one.
    ///
    /// - Parameter isAbstract: whether its name is not in the file system, unix(7).
    /// - Throws: why there is none.
    init(isAbstract: Bool = false) throws {
        let folder = isAbstract ? nil : try TemporaryFolder()
        self.folder = folder
        let number = UInt64.random(in: 0 ... .max)
        let path = folder?.path("notify") ?? "\0echo-notify-\(number)"
        name = folder == nil ? "@echo-notify-\(number)" : path
        let type = CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        descriptor = Descriptor(adopting: try systemCall("socket") { socket(AF_UNIX, type, 0) })
        try descriptor.setNonBlocking(true)
        address = SocketAddress.unix(path)
        let address = address
        try systemCall("bind") {
            unsafe address.withSockaddr { unsafe bind(descriptor.rawValue, $0, $1) }
        }
    }

    /// Fills the socket's queue, so that no further message has room until some are read.
    ///
    /// - Returns: how many messages that took.
    @discardableResult
    func fill() async throws -> Int {
        let type = CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let sender = Descriptor(adopting: try systemCall("socket") { socket(AF_UNIX, type, 0) })
        try sender.setNonBlocking(true)
        var count = 0
        while true {
            let sent = unsafe address.withSockaddr { pointer, length in
                transferCall { unsafe sendto(sender.rawValue, "x", 1, 0, pointer, length) }
            }
            guard sent > 0 else { return count }
            count += 1
        }
    }

    /// The messages that have come, one for each datagram.
    var messages: [String] {
        received.withLock { received in
            var buffer = [UInt8](repeating: 0, count: 4096)
            while true {
                let count = unsafe recv(descriptor.rawValue, &buffer, buffer.count, 0)
                guard count >= 0 else { return received }
                received.append(String(decoding: buffer[..<count], as: UTF8.self))
            }
        }
    }

    /// The lines of all messages.
    var lines: [Substring] { messages.flatMap { $0.split(separator: "\n") } }

    /// Waits for a line that begins so.
    func line(_ prefix: String) async -> String? {
        var found: Substring?
        _ = await eventually {
            found = lines.first { $0.hasPrefix(prefix) }
            return found != nil
        }
        return found.map(String.init)
    }
}
