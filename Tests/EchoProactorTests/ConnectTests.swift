import EchoProactor
import EchoSockets
import EchoTestSupport
import EchoWinsock
import Glibc
import Testing

private func listener() throws -> Listener {
    try Listener(try #require(SocketAddress(numeric: "127.0.0.1", port: 0)), backlog: 16)
}

/// Notes how operations ended, in order.
private final class Ends {
    var all: [(OperationKind, Errno?)] = []

    func operation() -> EchoProactor.Operation {
        let operation = EchoProactor.Operation()
        operation.routine = { [unowned self] error, _, operation in
            all.append((operation.kind, error))
        }
        return operation
    }

    func wait(for count: Int, on loop: OverlappedLoop) {
        let end = MonotonicTime.now + patience
        while all.count < count, .now < end {
            _ = loop.sleep(for: .milliseconds(100), alertable: true)
        }
    }
}

@Suite(.timeLimit(.minutes(2)))
struct ConnectTests {
    @Test func `a connect completes, and what was sent before it follows`() throws {
        let loop = try OverlappedLoop()
        let listener = try listener()
        let address = listener.address
        let ends = Ends()
        let connecting = ends.operation()
        let sending = ends.operation()
        let socket = try Socket(family: address.family)
        let (handle, outcome) = try loop.connect(socket, to: address, with: connecting)
        #expect(outcome == .pending || outcome == .completed(bytes: 0))
        let text = Array("hello".utf8)
        _ = unsafe text.withUnsafeBytes { unsafe loop.send($0, with: sending, on: handle) }
        ends.wait(for: 2, on: loop)
        #expect(ends.all.map(\.0) == [.connect, .send])
        #expect(ends.all.allSatisfy { $0.1 == nil })
        guard case .accepted(let accepted, _) = listener.accept() else {
            Issue.record("nothing to accept")
            return
        }
        _ = consume accepted
        loop.close(handle)
    }

    @Test func `a refused connect fails with what the kernel says`() throws {
        let loop = try OverlappedLoop()
        let address = try listener().address
        let ends = Ends()
        let (handle, outcome) = try loop.connect(
            try Socket(family: address.family),
            to: address,
            with: ends.operation()
        )
        if outcome == .pending { ends.wait(for: 1, on: loop) }
        let refused = Errno(rawValue: ECONNREFUSED)
        #expect(outcome == .refused(refused) || ends.all.first?.1 == refused)
        loop.close(handle)
    }

    @Test func `cancelling ends each pending operation once and leaves the socket open`() throws {
        let loop = try OverlappedLoop()
        let (handle, peer) = try adoptedPair(by: loop)
        let ends = Ends()
        let receives = [ends.operation(), ends.operation()]
        for receive in receives { #expect(loop.receive(receive, on: handle) == .pending) }
        let hasCancelled = loop.cancel(handle)
        #expect(hasCancelled)
        #expect(ends.all.isEmpty, "CR-1: routines run in an alertable wait")
        ends.wait(for: 2, on: loop)
        #expect(ends.all.map(\.1) == [Errno(rawValue: ECANCELED), Errno(rawValue: ECANCELED)])
        let isIdle = !loop.cancel(handle)
        #expect(isIdle)
        peer.send("x")
        #expect(loop.receive(receives[0], on: handle) == .pending)
        ends.wait(for: 3, on: loop)
        #expect(ends.all.last?.1 == nil && receives[0].result == .success(bytes: 1))
        loop.close(handle)
    }

    @Test func `waits end in the order of their moments, none too early`() throws {
        let loop = try OverlappedLoop()
        let start = MonotonicTime.now
        var order: [Int] = []
        var early = 0
        for index in (0..<200).shuffled() {
            let operation = EchoProactor.Operation()
            let moment = start + .microseconds(100 * index)
            operation.routine = { error, _, _ in
                if error == nil { order.append(index) }
                if MonotonicTime.now < moment { early += 1 }
            }
            loop.wait(operation, until: moment)
        }
        while order.count < 200, .now < start + patience {
            _ = loop.sleep(for: .seconds(1), alertable: true)
        }
        #expect(order == Array(0..<200))
        #expect(early == 0)
    }

    @Test func `a wait that is cancelled fails, and the others go on`() throws {
        let loop = try OverlappedLoop()
        let ends = Ends()
        let waits = (0..<100).map { _ in ends.operation() }
        for (index, wait) in waits.enumerated() {
            loop.wait(wait, until: .now + .milliseconds(index % 7))
        }
        for wait in waits[..<50] {
            let hasCancelled = loop.cancelWait(wait)
            #expect(hasCancelled)
        }
        #expect(loop.wait(waits[99], until: .now) == .refused(Errno(rawValue: EBUSY)))
        ends.wait(for: 100, on: loop)
        #expect(ends.all.count == 100)
        #expect(ends.all.count { $0.1 == Errno(rawValue: ECANCELED) } == 50)
        let isOver = !loop.cancelWait(waits[0])
        #expect(isOver)
    }

    @Test func `a success at once is not indicated where the socket asks for that`() throws {
        let loop = try OverlappedLoop()
        let pair = try Socket.pair()
        let (first, second) = pair.split { ($0.release(), $1.release()) }
        let peer = Socket(Descriptor(adopting: second))
        let handle = try loop.adopt(
            Socket(Descriptor(adopting: first)),
            options: .skipsPacketOnSuccess
        )
        let ends = Ends()
        let sending = ends.operation()
        let sent = unsafe [1, 2].withUnsafeBytes { unsafe loop.send($0, with: sending, on: handle) }
        #expect(sent == .completed(bytes: 16))
        #expect(loop.sleep(for: .zero, alertable: true) == .timedOut)
        #expect(ends.all.isEmpty)
        loop.close(handle)
        _ = consume peer
    }
}
