package import EchoSockets
import Glibc
import Synchronization

/// An echo server over UDP with a fault, on a thread of its own, until nobody refers to it.
package final class FaultyDatagramServer: Sendable {
    /// What it does wrong.
    package enum Fault: Hashable, Sendable {
        case none
        case neverAnswers
        case truncates(Int)
        case dropsEmpty
        case answersTwice
        /// Answers from 127.0.0.2.
        case answersFromElsewhere
        /// Answers whoever sent before.
        case mixesUp
        /// Changes the byte at an offset.
        case changes(Int)
        /// Adds a byte to datagrams of more than some bytes.
        case appends(above: Int)
        /// Answers with an upper-case text.
        case shouts
        /// Loses each third datagram.
        case losesThird
        /// Answers only so many.
        case tires(Int)
        /// Answers each datagram with the one before.
        case isStale
        /// Answers a datagram when the next has come.
        case lags
    }

    /// Where it listens.
    package let address: SocketAddress
    private let state: State

    fileprivate final class State: Sendable {
        let fault: Fault
        let socket: DatagramClient
        let other: DatagramClient
        let isStopped = Atomic(false)
        let received = Locked(0)
        let last = Locked<DatagramClient.Received?>(nil)

        init(_ fault: Fault, _ address: SocketAddress) throws {
            self.fault = fault
            socket = try DatagramClient(at: address)
            other = try DatagramClient(at: .ipv4(0x7F00_0002, port: 0))
        }
    }

    /// Starts one.
    package init(_ fault: Fault = .none, at address: SocketAddress = .loopback(port: 0)) throws {
        let state = try State(fault, address)
        self.state = state
        self.address = state.socket.address
        try Thread(name: "faulty") {
            while !state.isStopped.load(ordering: .acquiring) {
                if let next = try? state.socket.receive() { try? state.serve(next) }
            }
        }.detach()
    }

    deinit {
        state.isStopped.store(true, ordering: .releasing)
        try? state.socket.send([], to: address)
    }

    /// How many datagrams have come.
    package var count: Int { state.received.withLock { $0 } }
}

extension FaultyDatagramServer.State {
    func serve(_ datagram: DatagramClient.Received) throws {
        let (bytes, source) = (datagram.bytes, datagram.source)
        let number = received.withLock { count in
            count += 1
            return count
        }
        let before = last.withLock { last in
            defer { last = datagram }
            return last
        }
        switch fault {
        case .none: try socket.send(bytes, to: source)
        case .neverAnswers: break
        case .truncates(let limit): try socket.send(Array(bytes.prefix(limit)), to: source)
        case .dropsEmpty: if !bytes.isEmpty { try socket.send(bytes, to: source) }
        case .answersTwice:
            try socket.send(bytes, to: source)
            try socket.send(bytes, to: source)
        case .answersFromElsewhere: try other.send(bytes, to: source)
        case .mixesUp: try socket.send(bytes, to: before?.source ?? source)
        case .changes(let offset):
            var changed = bytes
            if offset < changed.count { changed[offset] ^= 0xFF }
            try socket.send(changed, to: source)
        case .appends(let limit):
            try socket.send(bytes.count > limit ? bytes + [0] : bytes, to: source)
        case .shouts:
            let letters = bytes.map { (0x61...0x7A).contains($0) ? $0 & 0xDF : $0 }
            try socket.send(letters, to: source)
        case .losesThird: if number % 3 > 0 { try socket.send(bytes, to: source) }
        case .tires(let limit): if number <= limit { try socket.send(bytes, to: source) }
        case .isStale: try socket.send(before?.bytes ?? bytes, to: source)
        case .lags: if let before { try socket.send(before.bytes, to: before.source) }
        }
    }
}
