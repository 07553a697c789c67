import EchoSockets
import EchoTestSupport
import Synchronization
import Testing

/// The tests' own means of waiting.
@Suite(.timeLimit(.minutes(5)))
struct WaitingTests {
    private struct Expected: Error {}

    @Test func `a condition is awaited, and given up on`() async throws {
        let calls = Atomic(0)
        let third = await eventually { calls.add(1, ordering: .relaxed).newValue == 3 }
        #expect(third)
        #expect(await eventually(within: .milliseconds(5)) { false } == false)
        let blocking = try await onThread { eventuallyBlocking(within: .milliseconds(5)) { false } }
        #expect(!blocking)
    }

    @Test func `work on a thread gives its result or its error`() async throws {
        #expect(try await onThread { 5 } == 5)
        await #expect(throws: Expected.self) { try await onThread { throw Expected() } }
    }

    @Test func `a deadline ends what does not end`() async throws {
        #expect(try await withDeadline { 5 } == 5)
        await #expect(throws: Expected.self) { try await withDeadline { throw Expected() } }
        let never = Completion<Int>()
        let error = await #expect(throws: DeadlineExceeded.self) {
            try await withDeadline(.milliseconds(5), "waiting for ever") {
                await never.value
            }
        }
        never.complete(0)
        #expect(error?.description == "waiting for ever did not end within 0.005 seconds")
        let release = try Wakeup()
        await #expect(throws: DeadlineExceeded.self) {
            try await onThread(within: .milliseconds(5)) { _ = isReadable(release.number) }
        }
        release.signal()
    }

    @Test func `a completion comes once, to all that wait`() async {
        let completion = Completion<Int>()
        async let first = completion.value
        async let second = completion.value
        #expect(completion.complete(1))
        #expect(!completion.complete(2))
        #expect(await first + second == 2)
        #expect(completion.current == 1)
    }
}
