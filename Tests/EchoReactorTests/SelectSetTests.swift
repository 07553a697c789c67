import EchoSockets
import EchoWinsock
import Glibc
import Testing

@testable import EchoReactor

@Suite(.timeLimit(.minutes(5)))
struct SelectSetTests {
    private let loop: EventLoop
    private let set: SelectSet

    init() throws {
        loop = try EventLoop(method: .select)
        set = SelectSet(loop)
    }

    private func handle(_ slot: UInt32) -> SocketHandle {
        SocketHandle(slot: slot, generation: 1)
    }

    /// The slots that one call finds ready for reading, and for writing.
    private func ready(within timeout: Duration = .zero) throws -> ([UInt32], [UInt32]) {
        let count = try loop.select(set, timeout: timeout)
        var (readable, writable): ([UInt32], [UInt32]) = ([], [])
        for _ in 0..<count {
            let one = try #require(set.nextReady())
            if one.isReadable { readable.append(one.handle.slot) }
            if one.isWritable { writable.append(one.handle.slot) }
        }
        #expect(set.nextReady() == nil)
        return (readable.sorted(), writable.sorted())
    }

    @Test func `SEL-1: only the ready members are named, each with what it is ready for`() throws {
        let first = try Socket.pair()
        let second = try Socket.pair()
        try set.insert(first.first, as: handle(1), reading: true)
        try set.insert(second.first, as: handle(2), reading: true, writing: true)
        #expect(try ready() == ([], [2]))
        first.second.sendText("x")
        #expect(try ready(within: .seconds(10)) == ([1], [2]))
        second.second.sendText("x")
        try set.insert(second.first, as: handle(2), reading: true)
        #expect(try ready(within: .seconds(10)) == ([1, 2], []))
        set.remove(first.first)
        #expect(try ready() == ([2], []))
    }

    @Test func `SEL-3: a member that was closed fails the call`() throws {
        do {
            let pair = try Socket.pair()
            try set.insert(pair.first, as: handle(1), reading: true)
        }
        #expect {
            try loop.select(set, timeout: .zero)
        } throws: { error in
            (error as? SystemError)?.errno == .notASocket
        }
    }

    @Test func `the call waits as long as it was told`() throws {
        let start = MonotonicTime.now
        #expect(try loop.select(set, timeout: .milliseconds(50)) == 0)
        #expect(MonotonicTime.now - start >= .milliseconds(40))
    }

    @Test func `SEL-5: an end and a reset are readable`() throws {
        try Socket.pair().split { first, second in
            try set.insert(first, as: handle(1), reading: true)
            second.shutdown(.sending)
            #expect(try ready(within: .seconds(10)) == ([1], []))
            _ = consume second
            #expect(try ready(within: .seconds(10)) == ([1], []))
            set.remove(first)
        }
    }

    @Test func `SEL-6: a socket that was never connected is neither readable nor writable`() throws
    {
        let listener = try Listener(.loopback(port: 0))
        let socket = try Socket(family: AF_INET)
        try set.insert(socket, as: handle(1), reading: true, writing: true)
        #expect(try ready() == ([], []))
        _ = try? socket.connect(to: listener.address)
        try set.insert(socket, as: handle(1), reading: true, writing: true)
        #expect(try ready(within: .seconds(10)) == ([], [1]))
        set.remove(socket)
    }

    @Test func `PF-1: a descriptor that does not fit into an fd_set is refused`() throws {
        let pair = try Socket.pair()
        let number = fcntl(pair.first.number, F_DUPFD_CLOEXEC, 1024)
        try #require(number >= 1024)
        let large = Socket(Descriptor(adopting: number))
        #expect {
            try set.insert(large, as: handle(1), reading: true)
        } throws: { error in
            "\(error)" == "descriptor \(number) is beyond what select(2) can watch (0 to 1023)"
        }
        set.remove(large)
    }
}
