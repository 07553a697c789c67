import CEchoLinux
import EchoSockets
import EchoWinsock
import Glibc
import Synchronization
import Testing

@testable import EchoReactor

@Suite(.timeLimit(.minutes(5)))
struct AddressChangeTests {
    @Test func `AS-13: one ADDRESS_LIST_CHANGE for each arming, however much changes`() async throws
    {
        let told = try await inNetworkNamespace { try Self.armTwice() }
        #expect(told.first == [.addressListChange])
        #expect(told.unarmed == [])
        #expect(told.rearmed == [], "what happened before is not told")
        #expect(told.second == [.addressListChange])
        #expect(told.monitorsLeft == 0)
    }

    @Test func `AS-13: routes are told to who armed for routes`() async throws {
        let told = try await inNetworkNamespace { try Self.armRoutes() }
        #expect(told.first == [.routingInterfaceChange])
        #expect(told.unarmed == [])
        #expect(told.second == [], "nothing after closing")
        #expect(told.monitorsLeft == 0)
    }

    // Expectations on a thread of our own would not be counted for the test.
    private struct Told: Sendable {
        var first: [NetworkEvents] = []
        var unarmed: [NetworkEvents] = []
        var rearmed: [NetworkEvents] = []
        var second: [NetworkEvents] = []
        var monitorsLeft = 0
    }

    private static func armTwice() throws -> Told {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        try socket.select([.addressListChange, .read], postingTo: fixture.queue)
        try socket.armAddressListChange()
        try run(["addr", "add", "127.77.77.77/32", "dev", "lo"])
        try run(["addr", "add", "127.77.77.78/32", "dev", "lo"])
        var told = Told()
        told.first = fixture.events(1)
        try run(["addr", "del", "127.77.77.77/32", "dev", "lo"])
        told.unarmed = fixture.rest()
        told.monitorsLeft += fixture.loop.addressChanges.isWatching ? 1 : 0
        try socket.armAddressListChange()
        told.rearmed = fixture.rest()
        try run(["addr", "del", "127.77.77.78/32", "dev", "lo"])
        told.second = fixture.events(1)
        _ = peer
        return told
    }

    private static func armRoutes() throws -> Told {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        try run(["link", "set", "lo", "up"])
        try socket.select([.addressListChange, .routingInterfaceChange], postingTo: fixture.queue)
        try socket.armRoutingInterfaceChange()
        try run(["addr", "add", "127.77.77.77/32", "dev", "lo"])
        var told = Told()
        told.first = fixture.events(1)
        told.unarmed = fixture.rest()
        try socket.armRoutingInterfaceChange()
        socket.close()
        told.monitorsLeft += fixture.loop.addressChanges.isWatching ? 1 : 0
        try run(["addr", "del", "127.77.77.77/32", "dev", "lo"])
        told.second = fixture.rest()
        _ = peer
        return told
    }
}

/// Runs `body` on a thread in a network namespace of its own, which needs root.
private func inNetworkNamespace<Result: Sendable>(
    _ body: @escaping @Sendable () throws -> Result
) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        do {
            let thread = try Thread(name: "namespace") {
                guard unshare(CInt(CLONE_NEWNET)) == 0 else {
                    let error = SystemError(call: "unshare", errno: Errno.current)
                    return continuation.resume(throwing: error)
                }
                continuation.resume(with: Swift.Result(catching: body))
            }
            thread.detach()
        } catch {
            continuation.resume(throwing: error)
        }
    }
}

/// Runs `ip` in the calling thread's namespace and waits for it.
private func run(_ arguments: [String]) throws {
    var pid: pid_t = 0
    let texts = unsafe (["ip"] + arguments).map { unsafe strdup($0) }
    defer { for index in unsafe texts.indices { unsafe free(texts[index]) } }
    let status = unsafe posix_spawnp(&pid, "ip", nil, nil, texts + [nil], environ)
    guard status == 0 else {
        throw SystemError(call: "posix_spawn", errno: Errno(rawValue: status))
    }
    var exit: CInt = 0
    _ = try systemCall("waitpid") { unsafe waitpid(pid, &exit, 0) }
    guard exit == 0 else { throw SystemError(call: "ip", errno: Errno(rawValue: EINVAL)) }
}
