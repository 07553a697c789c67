import EchoSockets
import EchoTestSupport
import Glibc
import Testing

@Suite(.timeLimit(.minutes(5)))
struct UrgentDataTests {
    private let outOfBand = CInt(MSG_OOB)

    @Test func `E-f: inline, a receive stops before the urgent byte and goes on with it`() throws {
        let pair = try ConnectedPair()
        try pair.server.setUrgentInline()
        pair.client.send(text: "ab")
        pair.client.send(text: "!", flags: outOfBand)
        pair.client.send(text: "cd")
        #expect(
            eventuallyBlocking { pair.server.unreadByteCount == 5 || pair.server.poll(POLLPRI) }
        )
        #expect(pair.server.isAtUrgentMark == false)
        #expect(pair.server.receiveBytes().bytes == Array("ab".utf8))
        #expect(pair.server.isAtUrgentMark == true)
        #expect(pair.server.receiveAll(3) == Array("!cd".utf8))
        #expect(pair.server.isAtUrgentMark == false)
    }

    @Test func `not inline, the urgent byte is received apart`() throws {
        let pair = try ConnectedPair()
        try pair.server.setOption(level: SOL_SOCKET, SO_OOBINLINE, 0)
        pair.client.send(text: "ab")
        pair.client.send(text: "!", flags: outOfBand)
        pair.client.send(text: "cd")
        #expect(eventuallyBlocking { pair.server.poll(POLLPRI) })
        #expect(pair.server.receiveBytes(flags: outOfBand).bytes == Array("!".utf8))
        #expect(pair.server.receiveAll(4) == Array("abcd".utf8))
    }

    @Test func `E-g, PF-11: the urgent byte wakes once, ordinary ones never`() throws {
        let pair = try ConnectedPair()
        try pair.server.setOption(level: SOL_SOCKET, SO_OOBINLINE, 0)
        let urgent = try UrgentReadiness(of: pair.server)
        for _ in 0..<100 {
            pair.client.send(text: "x")
            #expect(pair.server.receiveAll(1).count == 1)
            #expect(!isReadable(urgent.number, within: .zero))
        }
        for _ in 0..<2 {
            pair.client.send(text: "!", flags: outOfBand)
            #expect(isReadable(urgent.number))
            #expect(urgent.take() == true)
            // Taken though not received: no level repeats it.
            #expect(!isReadable(urgent.number, within: .zero))
            #expect(urgent.take() == false)
            #expect(pair.server.receiveBytes(flags: outOfBand).outcome == .bytes(1))
        }
    }
}
