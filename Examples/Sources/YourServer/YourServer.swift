import Foundation
import Glibc

/// Stands for an echo server of your own: a thread for each client, in plain POSIX calls.
public final class YourServer: Sendable {
    /// The TCP port of 127.0.0.1 that it listens on.
    public let port: UInt16
    private let listener: CInt

    /// Listens on a port that the kernel chooses, and serves.
    public init() throws {
        let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) == 0 && listen(listener, 512) == 0
                    && getsockname(listener, $0, &size) == 0
            }
        }
        guard isListening else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        self.listener = listener
        port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread { Self.accept(listener) }
    }

    deinit {
        shutdown(listener, CInt(SHUT_RDWR))
    }

    private static func accept(_ listener: CInt) {
        while case let client = Glibc.accept(listener, nil, nil), client >= 0 {
            Thread.detachNewThread { serve(client) }
        }
        close(listener)
    }

    private static func serve(_ client: CInt) {
        defer { close(client) }
        // Urgent data keeps its place among the other bytes.
        var on: CInt = 1
        setsockopt(client, SOL_SOCKET, SO_OOBINLINE, &on, socklen_t(MemoryLayout.size(ofValue: on)))
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = recv(client, &buffer, buffer.count, 0), count > 0 {
            var sent = 0
            while sent < count {
                let step = buffer[sent..<count].withUnsafeBytes {
                    send(client, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
                }
                guard step > 0 else { return }
                sent += step
            }
        }
    }
}
