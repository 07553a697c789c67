import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// What one connection can cost the kernel.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct KernelMemoryTests {
    /// It grew to 4 MiB unsent, and to 33 MiB unread.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `a client that never reads leaves little unsent and unread`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) { _, address in
            let queues = try await onThread {
                let client = try Flood(to: address)
                // The kernel gives more room to a client that was quick before.
                try client.run(bytes: 24 << 20)
                return client.fillQueues()
            }
            // Unsent, what the peer has room for, and one segment that was under way.
            #expect(queues.sending < 384 * 1024, "\(queues)")
            #expect(queues.receiving < 640 * 1024, "\(queues)")
        }
    }
}

/// A client that sends all it can.
private final class Flood {
    private let socket: Socket
    private let port: UInt16
    private let block = [UInt8](repeating: 7, count: 64 * 1024)

    init(to address: SocketAddress) throws {
        port = try #require(address.port)
        let socket = try Socket(family: address.family)
        try socket.setOption(level: SOL_SOCKET, SO_RCVBUF, 4096)
        _ = try socket.connect(to: address)
        try #require(isWritable(socket.number))
        self.socket = socket
    }

    /// Sends, and reads what comes back, until so much has come.
    func run(bytes: Int) throws {
        var back = 0
        while back < bytes {
            try #require(socket.wait(for: POLLIN | POLLOUT, atMost: 20_000) != 0)
            socket.sendBytes(block)
            if case .bytes(let count) = socket.receiveBytes().outcome { back += count }
        }
    }

    /// Sends and reads nothing, until nothing can be sent any more.
    ///
    /// - Returns: how many bytes wait in the kernel at the server's end.
    func fillQueues() -> (sending: Int, receiving: Int) {
        while socket.wait(for: POLLOUT, atMost: 500) & POLLOUT != 0 { socket.sendBytes(block) }
        return queues
    }

    // A line of proc_net_tcp: number, local and remote address, state, both queues.
    private var queues: (sending: Int, receiving: Int) {
        let text = String(decoding: readFile("/proc/net/tcp"), as: UTF8.self)
        var sum = (sending: 0, receiving: 0)
        for line in text.split(separator: "\n").dropFirst() {
            let fields = line.split(separator: " ")
            let local = fields[1].split(separator: ":")
            guard UInt16(local[1], radix: 16) == port, fields[3] == "01" else { continue }
            let sizes = fields[4].split(separator: ":").compactMap { Int($0, radix: 16) }
            sum.sending += sizes[0]
            sum.receiving += sizes[1]
        }
        return sum
    }
}
