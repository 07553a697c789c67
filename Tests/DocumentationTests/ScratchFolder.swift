import EchoSockets
import Foundation
import Glibc

/// A folder of a test's own, removed with its contents when nobody refers to it any more.
final class ScratchFolder: Sendable {
    /// Its path.
    let path: String

    init() throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "echo-documentation-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        path = folder.path()
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// The path of something in it.
    func path(_ name: String) -> String {
        path + (path.hasSuffix("/") ? "" : "/") + name
    }
}

/// Whether a server accepts connections on a Unix socket.
func canConnect(toUnixSocket path: String) -> Bool {
    guard let socket = try? Socket(family: AF_UNIX, blocking: true) else { return false }
    return (try? socket.connect(to: .unix(path))) != nil
}
