import CLinux
import Glibc
import Sockets
import Synchronization
import Testing

@testable import Reactor

@Suite(.timeLimit(.minutes(1)))
struct AddressChangeTests {
    @Test func `AS-13: one ADDRESS_LIST_CHANGE for each arming, however much changes`() async throws
    {
        let outcome = try await inNetworkNamespace { try Self.armTwice() }
        #expect(
            outcome == .init(first: [.addressListChange], unarmed: [], second: [.addressListChange])
        )
    }

    @Test func `AS-13: routes are told to who armed for routes`() async throws {
        let outcome = try await inNetworkNamespace { try Self.armRoutes() }
        #expect(outcome == .init(first: [.routingInterfaceChange], unarmed: [], second: []))
    }

    private struct Told: Hashable, Sendable {
        var first: [NetworkEvents]
        var unarmed: [NetworkEvents]
        var second: [NetworkEvents]
    }

    private static func armTwice() throws -> Told {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        try socket.select([.addressListChange, .read], postingTo: fixture.queue)
        try socket.armAddressListChange()
        try run(["addr", "add", "127.77.77.77/32", "dev", "lo"])
        try run(["addr", "add", "127.77.77.78/32", "dev", "lo"])
        let first = fixture.events(1)
        try run(["addr", "del", "127.77.77.77/32", "dev", "lo"])
        let unarmed = fixture.rest()
        #expect(fixture.loop.addressChanges == nil)
        try socket.armAddressListChange()
        // What happened before is not told.
        #expect(fixture.rest() == [])
        try run(["addr", "del", "127.77.77.78/32", "dev", "lo"])
        let second = fixture.events(1)
        _ = peer
        return Told(first: first, unarmed: unarmed, second: second)
    }

    private static func armRoutes() throws -> Told {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        try run(["link", "set", "lo", "up"])
        try socket.select([.addressListChange, .routingInterfaceChange], postingTo: fixture.queue)
        try socket.armRoutingInterfaceChange()
        try run(["addr", "add", "127.77.77.77/32", "dev", "lo"])
        let first = fixture.events(1)
        let unarmed = fixture.rest()
        try socket.armRoutingInterfaceChange()
        socket.close()
        #expect(fixture.loop.addressChanges == nil)
        try run(["addr", "del", "127.77.77.77/32", "dev", "lo"])
        _ = peer
        return Told(first: first, unarmed: unarmed, second: fixture.rest())
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
