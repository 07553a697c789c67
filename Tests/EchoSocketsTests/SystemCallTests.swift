import EchoSockets
import EchoTestSupport
import Glibc
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(5)))
struct SystemCallTests {
    @Test func `a failed call is named, with the kernel's reason`() throws {
        let error = #expect(throws: SystemError.self) {
            try systemCall("close") { close(-1) }
        }
        #expect(error?.errno.rawValue == EBADF)
        #expect(error.map { "\($0)" } == "close: Bad file descriptor")
    }

    @Test func `a data path's failure is a negative number, not an exception`() {
        #expect(transferCall { read(-1, nil, 0) } == -Int(EBADF))
        #expect(transferCall { 5 } == 5)
    }

    @Test func `every number has words, unknown ones too`() {
        #expect(Errno(rawValue: EADDRINUSE).description == "Address already in use")
        #expect(Errno(rawValue: 9999).description.contains("9999"))
        #expect(Errno(rawValue: EAGAIN).isWouldBlock)
        #expect(!Errno(rawValue: EINTR).isWouldBlock)
    }

    @Test func `CO-9: a call that a signal interrupts is made again`() async throws {
        let pipe = try TestPipe()
        let attempts = Atomic(0)
        let result = Completion<Int>()
        let signal = try #require(InterruptSignal.shared)
        let number = pipe.reading
        let reader = try Thread(name: "reader", stackSize: testStackSize) {
            signal.unblock()
            var byte: UInt8 = 0
            let count = try? systemCall("read") {
                attempts.add(1, ordering: .relaxed)
                return unsafe read(number, &byte, 1)
            }
            result.complete(count ?? -1)
        }
        let interrupted = await eventually {
            reader.interrupt(with: signal)
            return attempts.load(ordering: .relaxed) >= 3
        }
        #expect(interrupted)
        #expect(result.current == nil)
        try await pipe.write("x")
        #expect(await result.value == 1)
        reader.join()
    }

    @Test func `CO-9: a blocking receive can be interrupted on request`() async throws {
        let pair = try ConnectedPair()
        try pair.server.descriptor.setNonBlocking(false)
        let outcome = Completion<Transfer>()
        let signal = try #require(InterruptSignal.shared)
        // Lives until the thread is joined.
        let socket = SharedSocket(pair)
        let reader = try Thread(name: "reader", stackSize: testStackSize) {
            signal.unblock()
            var buffer: [UInt8] = [0]
            outcome.complete(
                unsafe buffer.withUnsafeMutableBytes {
                    unsafe socket.pair.server.receiveInterruptible(into: $0)
                }
            )
        }
        let ended = await eventually {
            reader.interrupt(with: signal)
            return outcome.current != nil
        }
        #expect(ended)
        socket.pair.client.shutdown(.both)
        reader.join()
        #expect(outcome.current == .interrupted)
    }

    @Test func `a blocking transfer gives up after its time`() throws {
        let pair = try ConnectedPair()
        try pair.server.descriptor.setNonBlocking(false)
        try pair.server.setBlockingTimeout(.milliseconds(20))
        #expect(pair.server.receiveBytes().outcome == .wouldBlock)
    }

    @Test func `a thread has its name and runs to its end`() throws {
        let seen = Locked("")
        let thread = try Thread(name: "a name longer than fifteen bytes") {
            let name = String(decoding: readFile("/proc/thread-self/comm"), as: UTF8.self)
            seen.withLock { $0 = name }
        }
        thread.join()
        #expect(seen.withLock { $0 } == "a name longer t\n")
    }
}

private final class SharedSocket: Sendable {
    let pair: ConnectedPair

    init(_ pair: consuming ConnectedPair) {
        self.pair = pair
    }
}
