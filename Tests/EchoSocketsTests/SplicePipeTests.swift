import EchoTestSupport
import Glibc
import Testing

@testable import EchoSockets

@Suite(.timeLimit(.minutes(5)))
struct SplicePipeTests {
    private let bytes = PatternBytes(seed: 1).bytes(count: 64 * 1024)

    @Test func `bytes pass from one connection to another unchanged`() throws {
        let from = try ConnectedPair()
        let to = try ConnectedPair()
        var pipe = try SplicePipe()
        #expect(from.client.sendBytes(bytes) == .bytes(bytes.count))
        var passed = 0
        while passed < bytes.count {
            #expect(isReadable(from.server.number))
            guard case .bytes(let count) = pipe.fill(from: from.server.number, atMost: 65_536)
            else { break }
            #expect(pipe.count == count)
            #expect(pipe.drain(to: to.server.number) == .bytes(count))
            #expect(pipe.count == 0)
            passed += count
        }
        let isIntact = to.client.receiveAll(bytes.count) == bytes
        #expect(isIntact)
        #expect(pipe.fill(from: from.server.number, atMost: 1) == .wouldBlock)
    }

    @Test func `what a connection does not take can be read`() throws {
        let from = try ConnectedPair()
        let to = try ConnectedPair()
        var pipe = try SplicePipe()
        _ = filled {
            guard case .bytes(let count) = to.server.sendBytes(bytes) else { return 0 }
            return count
        }
        #expect(from.client.sendBytes([1, 2, 3]) == .bytes(3))
        #expect(isReadable(from.server.number))
        #expect(pipe.fill(from: from.server.number, atMost: 100) == .bytes(3))
        #expect(pipe.drain(to: to.server.number) == .wouldBlock)
        #expect(pipe.count == 3)
        var rest = [UInt8](repeating: 0, count: 10)
        let outcome = unsafe rest.withUnsafeMutableBytes { unsafe pipe.read(into: $0) }
        #expect(outcome == .bytes(3))
        #expect(rest.prefix(3) == [1, 2, 3])
        #expect(pipe.count == 0)
    }

    @Test func `no more than the limit, then the rest, then the end`() throws {
        let pair = try ConnectedPair()
        var pipe = try SplicePipe()
        #expect(pair.client.sendBytes([1, 2, 3]) == .bytes(3))
        pair.client.shutdown(.sending)
        #expect(isReadable(pair.server.number))
        #expect(pipe.fill(from: pair.server.number, atMost: 2) == .bytes(2))
        #expect(pipe.fill(from: pair.server.number, atMost: 2) == .bytes(1))
        let ends = eventuallyBlocking {
            pipe.fill(from: pair.server.number, atMost: 2) == .endOfStream
        }
        #expect(ends)
        #expect(pipe.count == 3)
    }

    // Splicing reports it once, and a receive afterwards would find a mere end.
    @Test func `a reset is a failure`() throws {
        let listener = try Listener(.loopback(port: 0))
        var client: Socket? = try connectedSocket(to: listener.address)
        let server = try acceptedSocket(from: listener)
        var pipe = try SplicePipe()
        client?.setResetOnClose()
        client = nil
        #expect(isReadable(server.number))
        let reset = Transfer.failed(Errno(rawValue: ECONNRESET))
        #expect(pipe.fill(from: server.number, atMost: 100) == reset)
    }

    // rule 6: it would stay where it is for ever.
    @Test func `urgent data is left to a receive`() throws {
        let pair = try ConnectedPair()
        try pair.server.setOption(level: SOL_SOCKET, SO_OOBINLINE, 1)
        var pipe = try SplicePipe()
        #expect(pair.client.sendBytes([1, 2], flags: CInt(MSG_OOB)) == .bytes(2))
        #expect(isReadable(pair.server.number))
        let first = eventuallyBlocking { pair.server.unreadByteCount == 2 }
        #expect(first)
        #expect(pipe.fill(from: pair.server.number, atMost: 100) == .bytes(1))
        #expect(pipe.fill(from: pair.server.number, atMost: 100) == .wouldBlock)
        #expect(pair.server.receiveBytes().bytes == [2])
    }

    @Test func `a Unix socket whose peer may pass descriptors is left to a receive`() throws {
        let pair = try Socket.pair()
        var pipe = try SplicePipe()
        #expect(pair.first.sendBytes([1]) == .bytes(1))
        ScreenedSockets.insert(pair.second.number)
        #expect(pipe.fill(from: pair.second.number, atMost: 100) == .wouldBlock)
        #expect(pipe.count == 0)
    }

    @Test func `CO-9: a broken connection raises no SIGPIPE, whose disposition stays`() async {
        await #expect(processExitsWith: .success) {
            signal(SIGPIPE, SIG_DFL)
            for taken in [true, false] {
                let from = try ConnectedPair()
                let listener = try Listener(.loopback(port: 0))
                var client: Socket? = try connectedSocket(to: listener.address)
                let server = try acceptedSocket(from: listener)
                var pipe = try SplicePipe()
                from.client.sendBytes([1, 2, 3])
                expectOrExit(isReadable(from.server.number))
                expectOrExit(pipe.fill(from: from.server.number, atMost: 100) == .bytes(3))
                // Broken after its end: EPIPE, for which the kernel raises the signal.
                client?.shutdown(.sending)
                expectOrExit(isReadable(server.number))
                client?.setResetOnClose()
                client = nil
                expectOrExit(eventuallyBlocking { server.wait(for: 0, atMost: 0) & POLLERR != 0 })
                if taken { _ = server.takeError() }
                expectOrExit(pipe.drain(to: server.number) == .failed(Errno(rawValue: EPIPE)))
            }
            var action = sigaction()
            _ = unsafe sigaction(SIGPIPE, nil, &action)
            let handler = unsafe unsafeBitCast(
                action.__sigaction_handler.sa_handler,
                to: Int.self
            )
            expectOrExit(handler == 0)
        }
    }

    @Test func `PF-10: both ends are close-on-exec and non-blocking, and closed`() async {
        await #expect(processExitsWith: .success) {
            // Other threads of the process may open some as well.
            let before = Set(ProcessFigures().openDescriptors.values)
            var own: String?
            do {
                let pipe = try SplicePipe()
                let new = ProcessFigures().openDescriptors.filter { !before.contains($0.value) }
                let pipes = Dictionary(grouping: new, by: \.value)
                own =
                    pipes.first { _, ends in
                        ends.count == 2
                            && ends.allSatisfy {
                                DescriptorFlags(of: $0.key) == [.open, .closeOnExec, .nonBlocking]
                            }
                    }?.key
                expectOrExit(own?.hasPrefix("pipe:") == true)
                expectOrExit(pipe.count == 0)
            }
            expectOrExit(!ProcessFigures().openDescriptors.values.contains { $0 == own })
        }
    }

    @Test func `without descriptors there is no pipe`() async {
        await #expect(processExitsWith: .success) {
            _ = try limitDescriptors(of: getpid(), to: 3)
            do throws(SystemError) {
                _ = try SplicePipe()
                expectOrExit(false)
            } catch {
                expectOrExit(error.errno.rawValue == EMFILE)
            }
        }
    }
}
