import EchoSockets
import EchoTestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct WakeupTests {
    @Test func `many signals are one wake-up, and clearing ends it`() throws {
        let wakeup = try Wakeup()
        #expect(!isReadable(wakeup.number, within: .zero))
        wakeup.clear()  // Does not block when there is nothing to clear.
        for _ in 0..<1000 { wakeup.signal() }
        #expect(isReadable(wakeup.number, within: .zero))
        wakeup.clear()
        #expect(!isReadable(wakeup.number, within: .zero))
    }

    @Test func `a signal from another thread wakes a waiting one`() async throws {
        let wakeup = try Wakeup()
        async let woken = onThread { isReadable(wakeup.number) }
        wakeup.signal()
        #expect(try await woken)
    }
}
