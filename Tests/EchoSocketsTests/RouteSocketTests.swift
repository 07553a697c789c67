import CEchoLinux
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

@Suite(.timeLimit(.minutes(5)))
struct RouteSocketTests {
    @Test(.enabled(if: hasNetworkNamespaces, "needs a network namespace of its own"))
    func `E-n: an added and a removed address are told`() async throws {
        let seen = try await onThread {
            // The thread's alone, and gone with it.
            try systemCall("unshare") { unshare(CLONE_NEWNET) }
            let socket = try RouteSocket()
            var seen = [socket.takeChanges()]
            for arguments in [
                ["link", "set", "lo", "up"], ["address", "add", "127.77.77.77/32", "dev", "lo"],
                ["address", "delete", "127.77.77.77/32", "dev", "lo"],
            ] {
                let process = try RunningProcess("/usr/sbin/ip", arguments)
                _ = isReadable(socket.number) && eventuallyBlocking { !process.isRunning }
                seen.append(socket.takeChanges())
                if isReadable(socket.number, within: .zero) { seen.append([]) }  // Not all taken.
            }
            return seen
        }
        #expect(seen.count == 4)
        #expect(seen[0] == [])
        #expect(seen[2] == [.addresses, .routes])
        #expect(seen[3] == [.addresses, .routes])
    }
}

private let hasNetworkNamespaces: Bool = {
    guard unsafe access("/usr/sbin/ip", X_OK) == 0 else { return false }
    let outcome = Completion<Bool>()
    let thread = try? Thread(name: "unshare") { outcome.complete(unshare(CLONE_NEWNET) == 0) }
    thread?.join()
    return outcome.current ?? false
}()
