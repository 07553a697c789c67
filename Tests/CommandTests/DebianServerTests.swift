import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// `echo check` against echo servers that Debian has.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct DebianServerTests {
    @Test func `xinetd's built-in echo passes`() async throws {
        let folder = try TemporaryFolder()
        let server = try await DebianServer { port in
            _ = try folder.file("xinetd.conf", holding: Array(Self.configuration(port).utf8))
            return [
                "/usr/sbin/xinetd", "-dontfork", "-f", folder.path("xinetd.conf"), "-pidfile",
                folder.path("pid"), "-filelog", folder.path("log"),
            ]
        }
        let result = try await runCheck(CheckCommandTests.scale + ["\(server.address)"])
        #expect(result.exit == .code(0), "\(result)")
        #expect(result.output.outputLines.last == "11 passed, 0 failed")
        #expect(result.output.contains("the urgent byte did not"), "\(result.output)")
    }

    /// It receives no more than 2,048 bytes of a datagram, and discards what waits behind one.
    @Test(.enabled(if: geteuid() == 0, "only root can make a network"))
    func `xinetd's echo over UDP truncates at 2048 bytes`() async throws {
        let folder = try TemporaryFolder()
        _ = try folder.file("xinetd.conf", holding: Array(Self.configuration(7, udp: true).utf8))
        let network = try await NetworkNamespace()
        let words =
            network.wrapper + [
                "/usr/sbin/xinetd", "-dontfork", "-f", folder.path("xinetd.conf"), "-pidfile",
                folder.path("pid"), "-filelog", folder.path("log"),
            ]
        let server = try RunningProcess(words[0], Array(words.dropFirst()))
        let isThere = try await network.onThread {
            let client = try DatagramClient()
            for number in UInt8.min...250 {
                try client.send([number], to: .loopback(port: 7))
                if try client.receive(within: .milliseconds(200)) != nil { return true }
            }
            return false
        }
        #expect(isThere && server.isRunning)
        let flags = ["--deadline", "60s", "udp:127.0.0.1:7"]
        let result = try await runCheck(flags, through: network.wrapper)
        #expect(result.exit == .code(1), "\(result)")
        let lines = result.output.outputLines
        #expect(lines.last == "8 passed, 1 failed (1 wrong)", "\(result)")
        let row = try #require(lines.first { $0.hasPrefix("FAILED  udp-large ") })
        #expect(row.hasSuffix(" bytes came back with its first 2048 bytes only"), "\(row)")
        server.send(signal: SIGTERM)
    }

    @Test func `socat with cat passes`() async throws {
        let server = try await DebianServer { port in
            let listen = "TCP-LISTEN:\(port),bind=127.0.0.1,fork,reuseaddr,backlog=1024"
            return ["/usr/bin/socat", listen, "EXEC:cat"]
        }
        let result = try await runCheck(CheckCommandTests.scale + ["\(server.address)"])
        #expect(result.exit == .code(0), "\(result)")
        #expect(result.output.outputLines.last == "11 passed, 0 failed")
    }

    @Test func `ncat with cat loses the tail at half-close`() async throws {
        let server = try await DebianServer { port in
            ["/usr/bin/ncat", "-l", "-k", "-e", "/bin/cat", "127.0.0.1", "\(port)"]
        }
        // Little: with much under way it may come to a standstill, too.
        let only = ["--only", "one-byte", "--only", "all-bytes", "--only", "half-close"]
        let result = try await runCheck(only + ["--deadline", "60s", "\(server.address)"])
        #expect(result.exit == .code(1), "\(result)")
        let lines = result.output.outputLines
        #expect(lines.dropFirst().prefix(2).allSatisfy { $0.hasPrefix("passed  ") }, "\(lines)")
        let row = try #require(lines.first { $0.hasPrefix("FAILED  half-close ") })
        #expect(row.hasSuffix(" bytes had come back: the tail was lost at half-close"), "\(row)")
    }

    // With the limits lifted that would turn connections away.
    private static func configuration(_ port: UInt16, udp: Bool = false) -> String {
        let user = unsafe getpwuid(geteuid()).map { unsafe String(cString: $0.pointee.pw_name) }
        return """
            defaults
            {
                instances = UNLIMITED
                cps = 1000000 1
            }
            service echo
            {
                type = INTERNAL UNLISTED
                id = echo-\(udp ? "dgram" : "stream")
                socket_type = \(udp ? "dgram" : "stream")
                protocol = \(udp ? "udp" : "tcp")
                wait = \(udp ? "yes" : "no")
                user = \(user ?? "root")
                bind = 127.0.0.1
                port = \(port)
                disable = no
            }

            """
    }
}

/// A server that cannot choose a port by itself.
private struct DebianServer {
    let process: RunningProcess
    let address: SocketAddress

    /// Starts it on a free port of 127.0.0.1 and waits until it listens; on another one, should
    /// somebody else have taken that meanwhile.
    init(_ command: (UInt16) throws -> [String]) async throws {
        for _ in 1...5 {
            let address = try Listener(.loopback(port: 0)).address
            let words = try command(address.port ?? 0)
            let process = try RunningProcess(words[0], Array(words.dropFirst()))
            let settled = await eventually {
                if !process.isRunning { return true }
                guard let client = try? await TestClient(to: address) else { return false }
                client.close()
                return true
            }
            if settled, process.isRunning {
                self.process = process
                self.address = address
                return
            }
        }
        throw NotListening()
    }

    struct NotListening: Error {}
}
