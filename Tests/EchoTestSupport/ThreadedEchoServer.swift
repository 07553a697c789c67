package import EchoSockets
import Glibc

/// A plain echo server, one thread a connection, that tests of clients talk to.
///
/// It can misbehave on purpose. It stops when nobody refers to it any more.
package final class ThreadedEchoServer: Sendable {
    /// What is done with every connection.
    package enum Behaviour: Sendable {
        /// All bytes go back; its end is answered with ours.
        case echoes
        /// So many bytes go back, then the connection is closed in good order.
        case closesAfter(bytes: Int)
        /// So many bytes go back, then the connection is reset.
        case resetsAfter(bytes: Int)
        /// All bytes go back, the one at an offset changed.
        case corrupts(at: Int)
        /// All bytes are read, none goes back.
        case swallows
        /// So many bytes go back; further ones are read, and the connection stays open.
        case fallsSilentAfter(bytes: Int)
        /// All bytes go back twice.
        case doubles
    }

    /// Where it listens.
    package let address: SocketAddress
    /// The same, as a client is told it.
    package let endpoint: Endpoint
    private let stopping: Wakeup

    /// Binds and serves.
    ///
    /// - Parameters:
    ///   - address: where to listen; a free port of the IPv4 loopback address by default.
    ///   - behaviour: what to do with connections.
    /// - Throws: `SystemError` if it cannot listen there.
    package init(
        on address: SocketAddress = .loopback(port: 0),
        _ behaviour: Behaviour = .echoes
    ) throws(SystemError) {
        let listener = try Listener(address)
        let stopping = try Wakeup()
        self.address = listener.address
        self.stopping = stopping
        switch listener.address {
        case .unix(let path): endpoint = .unix(path: path)
        case let bound: endpoint = .tcp(host: bound.host, port: bound.port ?? 0)
        }
        let owned = OwnedListener(listener)
        try Thread(name: "echo accept", stackSize: testStackSize) {
            while Self.wait(for: owned.listener.number, or: stopping) {
                guard case .accepted(let socket, _) = owned.listener.accept() else { continue }
                let connection = EchoConnectionThread(socket, behaviour, stopping)
                try? Thread(name: "echo", stackSize: testStackSize) { connection.run() }.detach()
            }
        }.detach()
    }

    deinit {
        stopping.signal()
    }

    /// Waits until a descriptor is readable.
    ///
    /// - Returns: `false` if the server is to stop.
    static func wait(for number: CInt, _ events: Int32 = POLLIN, or stopping: Wakeup) -> Bool {
        var entries = [
            pollfd(fd: number, events: Int16(events), revents: 0),
            pollfd(fd: stopping.number, events: Int16(POLLIN), revents: 0),
        ]
        _ = transferCall { unsafe Int(poll(&entries, 2, -1)) }
        return entries[1].revents == 0
    }
}

// Closures cannot capture what cannot be copied.
private final class OwnedListener: Sendable {
    let listener: Listener

    init(_ listener: consuming Listener) {
        self.listener = listener
    }
}

private final class EchoConnectionThread: Sendable {
    let socket: Socket
    let behaviour: ThreadedEchoServer.Behaviour
    let stopping: Wakeup

    init(
        _ socket: consuming Socket,
        _ behaviour: ThreadedEchoServer.Behaviour,
        _ stopping: Wakeup
    ) {
        self.socket = socket
        self.behaviour = behaviour
        self.stopping = stopping
    }

    func run() {
        var received = 0
        unsafe withUnsafeTemporaryAllocation(byteCount: 64 * 1024, alignment: 16) { buffer in
            while ThreadedEchoServer.wait(for: socket.number, or: stopping) {
                switch unsafe socket.receive(into: buffer) {
                case .bytes(let count):
                    let part = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
                    guard unsafe answer(part, from: received) else { return }
                    received += count
                case .wouldBlock, .interrupted: continue
                case .endOfStream, .failed: return
                }
            }
        }
    }

    // Whether to go on.
    private func answer(_ part: UnsafeMutableRawBufferPointer, from offset: Int) -> Bool {
        switch behaviour {
        case .swallows: return true
        case .fallsSilentAfter(let bytes):
            let count = max(0, min(bytes - offset, part.count))
            return unsafe send(UnsafeMutableRawBufferPointer(rebasing: part[..<count]))
        case .doubles:
            var twice = unsafe Array(part) + Array(part)
            return unsafe twice.withUnsafeMutableBytes { unsafe send($0) }
        case .echoes: return unsafe send(part)
        case .corrupts(let place):
            if place >= offset, place < offset + part.count { unsafe part[place - offset] ^= 1 }
            return unsafe send(part)
        case .closesAfter(let bytes):
            let count = min(bytes - offset, part.count)
            _ = unsafe send(UnsafeMutableRawBufferPointer(rebasing: part[..<count]))
            if offset + part.count < bytes { return true }
            drain()
            return false
        case .resetsAfter(let bytes):
            let count = min(bytes - offset, part.count)
            _ = unsafe send(UnsafeMutableRawBufferPointer(rebasing: part[..<count]))
            if offset + part.count < bytes { return true }
            socket.setResetOnClose()
            return false
        }
    }

    private func send(_ part: UnsafeMutableRawBufferPointer) -> Bool {
        var rest = UnsafeRawBufferPointer(part)
        while unsafe !rest.isEmpty {
            switch unsafe socket.send(rest) {
            case .bytes(let count):
                unsafe rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
            case .wouldBlock:
                guard ThreadedEchoServer.wait(for: socket.number, POLLOUT, or: stopping) else {
                    return false
                }
            case .interrupted: continue
            case .endOfStream, .failed: return false
            }
        }
        return true
    }

    // Closing with unread bytes would reset the connection (PF-21).
    private func drain() {
        socket.shutdown(.sending)
        unsafe withUnsafeTemporaryAllocation(byteCount: 64 * 1024, alignment: 16) { buffer in
            while ThreadedEchoServer.wait(for: socket.number, or: stopping) {
                switch unsafe socket.receive(into: buffer) {
                case .endOfStream, .failed: return
                default: continue
                }
            }
        }
    }
}
