import EchoSockets
import EchoTestSupport
import Glibc
import Synchronization

/// Clients of an echo server that connect, send a few bytes, end their stream, expect all back and
/// the end, and begin again.
final class ShortConnections: Sendable {
    private struct Results {
        var complete = 0
        var failures: [String] = []
    }

    private let address: SocketAddress
    private let results = Locked(Results())
    private let isStopping = Atomic(false)

    init(to address: SocketAddress) {
        self.address = address
    }

    /// Connections that were served.
    var complete: Int { results.withLock { $0.complete } }

    /// What went wrong with the others.
    var failures: [String] { results.withLock { $0.failures } }

    /// Ends ``run()``.
    func stop() {
        isStopping.store(true, ordering: .relaxed)
    }

    /// Makes one connection after another until ``stop()``; blocks.
    func run() {
        while !isStopping.load(ordering: .relaxed) {
            let failure = exchange()
            results.withLock { results in
                if let failure { results.failures.append(failure) } else { results.complete += 1 }
            }
            // So that the machine is not busy with clients alone.
            _ = poll(nil, 0, 6)
        }
    }

    /// Makes one connection; blocks.
    ///
    /// - Returns: why it failed; `nil` if all came back.
    func exchange() -> String? {
        do throws(SystemError) {
            let socket = try Socket(family: address.family, blocking: true)
            try socket.setBlockingTimeout(.seconds(10))
            _ = try socket.connect(to: address)
            let sent = unsafe [UInt8]("short".utf8).withUnsafeBytes { unsafe socket.send($0) }
            guard sent == .bytes(5) else { return "sent: \(sent)" }
            socket.shutdown(.sending)
            return Self.expectEcho(from: socket)
        } catch {
            return "\(error)"
        }
    }

    private static func expectEcho(from socket: borrowing Socket) -> String? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16)
        while true {
            let transfer = unsafe buffer.withUnsafeMutableBytes { unsafe socket.receive(into: $0) }
            switch transfer {
            case .bytes(let count): bytes += buffer[..<count]
            case .interrupted: continue
            case .endOfStream: return bytes == Array("short".utf8) ? nil : "\(bytes) came back"
            case .wouldBlock: return "nothing came back in time"
            case .failed(let errno): return "receiving: \(errno)"
            }
        }
    }
}
