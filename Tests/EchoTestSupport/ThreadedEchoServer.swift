package import EchoSockets
import Glibc

/// A server with a thread for each connection, that tests of clients talk to: a plain echo server,
/// or one that misbehaves on purpose.
///
/// It stops when nobody refers to it any more.
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
    package convenience init(
        on address: SocketAddress = .loopback(port: 0),
        _ behaviour: Behaviour = .echoes
    ) throws(SystemError) {
        try self.init(on: address) { $0.run(behaviour) }
    }

    /// Binds and serves.
    ///
    /// - Parameters:
    ///   - address: where to listen; a free port of the IPv4 loopback address by default.
    ///   - serve: what to do with each connection, on a thread of its own.
    /// - Throws: `SystemError` if it cannot listen there.
    package init(
        on address: SocketAddress = .loopback(port: 0),
        serve: @escaping @Sendable (ServedConnection) -> Void
    ) throws(SystemError) {
        let listener = try Listener(address, options: ConnectionOptions(urgentInline: true))
        let stopping = try Wakeup()
        self.address = listener.address
        self.stopping = stopping
        switch listener.address {
        case .unix(let path): endpoint = .unix(path: path)
        case let bound: endpoint = .tcp(host: bound.host, port: bound.port ?? 0)
        }
        let owned = OwnedListener(listener)
        try Thread(name: "echo accept", stackSize: testStackSize) {
            var count = 0
            while stopping.isSilent(while: owned.listener.number, POLLIN) {
                guard case .accepted(let socket, _) = owned.listener.accept() else { continue }
                let connection = ServedConnection(socket, count, stopping)
                count += 1
                try? Thread(name: "echo", stackSize: testStackSize) { serve(connection) }.detach()
            }
        }.detach()
    }

    deinit {
        stopping.signal()
    }
}

// Closures cannot capture what cannot be copied.
private final class OwnedListener: Sendable {
    let listener: Listener

    init(_ listener: consuming Listener) {
        self.listener = listener
    }
}

extension Wakeup {
    /// Waits until a descriptor is ready.
    ///
    /// - Returns: `false` if this was signalled.
    fileprivate func isSilent(while number: CInt, _ events: Int32) -> Bool {
        var entries = [
            pollfd(fd: number, events: Int16(events), revents: 0),
            pollfd(fd: self.number, events: Int16(POLLIN), revents: 0),
        ]
        _ = transferCall { unsafe Int(poll(&entries, 2, -1)) }
        return entries[1].revents == 0
    }
}

/// One connection of a threaded server, closed when nobody refers to it any more.
package final class ServedConnection: Sendable {
    /// Its socket.
    package let socket: Socket
    /// Its number, from 0.
    package let index: Int
    private let stopping: Wakeup

    init(_ socket: consuming Socket, _ index: Int, _ stopping: Wakeup) {
        self.socket = socket
        self.index = index
        self.stopping = stopping
    }

    /// Waits until the socket is ready.
    ///
    /// - Returns: `false` if the server is to stop.
    package func wait(_ events: Int32 = POLLIN) -> Bool {
        stopping.isSilent(while: socket.number, events)
    }

    /// Waits until the server is to stop.
    package func waitForStop() {
        while stopping.isSilent(while: -1, 0) {}
    }

    /// Sends bytes.
    ///
    /// - Parameters:
    ///   - bytes: what to send.
    ///   - completely: whether to wait for room.
    /// - Returns: how many were sent; -1 if the connection is broken.
    package func send(_ bytes: some Collection<UInt8>, completely: Bool = true) -> Int {
        let bytes = Array(bytes)
        var count = 0
        while count < bytes.count {
            switch socket.sendBytes(Array(bytes[count...])) {
            case .bytes(let taken): count += taken
            case .wouldBlock: guard completely, wait(POLLOUT) else { return count }
            case .interrupted: continue
            case .endOfStream, .failed: return -1
            }
        }
        return count
    }

    /// Does with the connection what a server is to do.
    package func run(_ behaviour: ThreadedEchoServer.Behaviour) {
        var received = 0
        while wait() {
            let (outcome, bytes) = socket.receiveBytes(atMost: 64 * 1024)
            switch outcome {
            case .bytes: break
            case .wouldBlock, .interrupted: continue
            case .endOfStream, .failed: return
            }
            guard answer(bytes, from: received, behaviour) else { return }
            received += bytes.count
        }
    }

    // Whether to go on.
    private func answer(
        _ bytes: [UInt8],
        from offset: Int,
        _ behaviour: ThreadedEchoServer.Behaviour
    ) -> Bool {
        let end = offset + bytes.count
        switch behaviour {
        case .swallows: return true
        case .fallsSilentAfter(let limit): return sendAll(bytes.prefix(max(0, limit - offset)))
        case .doubles: return sendAll(bytes + bytes)
        case .echoes: return sendAll(bytes)
        case .corrupts(let place):
            var changed = bytes
            if (offset..<end).contains(place) { changed[place - offset] ^= 1 }
            return sendAll(changed)
        case .closesAfter(let limit):
            _ = sendAll(bytes.prefix(limit - offset))
            if end < limit { return true }
            drain()
            return false
        case .resetsAfter(let limit):
            _ = sendAll(bytes.prefix(limit - offset))
            if end < limit { return true }
            socket.setResetOnClose()
            return false
        }
    }

    /// Whether all of it could be sent.
    package func sendAll(_ bytes: some Collection<UInt8>) -> Bool {
        send(bytes) == bytes.count
    }

    // Closing with unread bytes would reset the connection (PF-21).
    private func drain() {
        socket.shutdown(.sending)
        while wait() {
            switch socket.receiveBytes(atMost: 64 * 1024).0 {
            case .endOfStream, .failed: return
            default: continue
            }
        }
    }
}
