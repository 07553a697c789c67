import EchoSockets
import EchoTestSupport
import Glibc

/// Clients that connect, have a few bytes echoed and leave, over and over.
final class Hammer: Sendable {
    /// How an attempt failed.
    enum Failure: Hashable, Sendable {
        /// Nobody listened.
        case refused
        /// The connection was reset.
        case reset
        /// The connection ended after so many bytes.
        case short(Int)
        /// Something else.
        case other(String)
    }

    /// What the clients met with.
    struct Counts: Sendable {
        /// Everything came back.
        var echoed = 0
        /// Other outcomes, but for those of clients that took long to say anything.
        var failures: [Failure: Int] = [:]

        /// Connections that were made and came to nothing.
        var lost: Int { failures.values.reduce(0, +) - (failures[.refused] ?? 0) }
    }

    private let address: SocketAddress
    private let total = Locked(Counts())
    private let isOver = Locked(false)

    /// Clients of a server.
    init(_ address: SocketAddress) {
        self.address = address
    }

    /// What has happened so far.
    var counts: Counts { total.withLock { $0 } }

    /// Lets so many clients at the server while `body` runs.
    ///
    /// - Returns: what they met with.
    func run(clients: Int, while body: () async throws -> Void) async throws -> Counts {
        async let all: Void = withTaskGroup { group in
            for _ in 0..<clients {
                group.addTask { [self] in while !isOver.withLock({ $0 }) { await attempt() } }
            }
        }
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await body())
        } catch {
            outcome = .failure(error)
        }
        isOver.withLock { $0 = true }
        await all
        try outcome.get()
        return counts
    }

    private func attempt() async {
        let message = [UInt8](repeating: 0x55, count: 100)
        let begin = MonotonicTime.now
        var isSlow = false
        do {
            let client = try await TestClient(to: address)
            defer { client.close() }
            try await client.send(message)
            // A server that shuts down need not wait for such a client.
            isSlow = .now - begin > .milliseconds(150)
            let back = try await client.receive(message.count)
            if back == message {
                total.withLock { $0.echoed += 1 }
            } else if !isSlow {
                count(.short(back.count))
            }
        } catch let error as SystemError where error.errno.rawValue == ECONNREFUSED {
            count(.refused)
        } catch let error as SystemError where [ECONNRESET, EPIPE].contains(error.errno.rawValue) {
            if !isSlow { count(.reset) }
        } catch {
            count(.other("\(error)"))
        }
    }

    private func count(_ failure: Failure) {
        total.withLock { $0.failures[failure, default: 0] += 1 }
    }
}
