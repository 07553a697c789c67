import EchoServer
import EchoSockets
import EchoTestSupport
import Foundation
import Glibc
import Testing

/// The page about load balancers, with the real HAProxy, in a network of its own that has the
/// page's addresses.
@Suite(.timeLimit(.minutes(5)), .enabled(if: geteuid() == 0, "a network needs root"))
struct LoadBalancerTests {
    @Test
    func `Instances restarted one by one behind HAProxy, three times, fail no connection`()
        async throws
    {
        let balanced = try await BalancedInstances()
        let network = balanced.network
        let clients = ShortConnections(to: balanced.front)
        let running = (0..<5).map { _ in
            Task { try await network.onThread(within: .seconds(200)) { clients.run() } }
        }
        defer { clients.stop() }
        var models = EchoServer.IOModel.allCases[...]
        for _ in 1...3 {
            for name in balanced.names {
                models = models.isEmpty ? EchoServer.IOModel.allCases[...] : models
                try await balanced.stop(name)
                // Gone for as long as a restart takes elsewhere: the others serve so many
                // meanwhile.
                let before = clients.complete
                #expect(await eventually { clients.complete >= before + 600 })
                try await balanced.restart(name, as: models.removeFirst())
            }
        }
        #expect(await eventually { clients.complete + clients.failures.count >= 3000 })
        clients.stop()
        for run in running { try await run.value }
        #expect(clients.failures.isEmpty, "\(clients.failures.count) of \(clients.complete) failed")
        #expect(Set(clients.failures) == [])
    }

    @Test
    func `The manifest for Kubernetes gives the pod longer than it may take`() throws {
        let manifest = try #require(try Document(BalancedInstances.page).blocks(in: "yaml").first)
        let text = manifest.lines.joined(separator: "\n")
        func seconds(_ pattern: Regex<(Substring, Substring)>) throws -> Int {
            let number = try #require(text.firstMatch(of: pattern)).1
            return try #require(Int(number))
        }
        let delay = try seconds(/--shutdown-delay=(\d+)s/)
        let drain = try seconds(/--drain-timeout=(\d+)s/)
        #expect(try seconds(/terminationGracePeriodSeconds: (\d+)/) > delay + drain)
        #expect(!text.contains("preStop"))
        for path in ["/readyz", "/healthz"] { #expect(text.contains("path: \(path),")) }
    }
}

/// HAProxy and the instances behind it, as the page has them.
private final class BalancedInstances {
    static let page = "Sources/EchoServer/EchoServer.docc/BehindALoadBalancer.md"

    let network: NetworkNamespace
    /// Where clients connect.
    let front: SocketAddress
    /// The addresses of the instances.
    let names: [String]
    private let folder: ScratchFolder
    private let flags: [String]
    private var instances: [String: RunningProcess] = [:]
    private var balancer: RunningProcess?

    /// Starts all of them, and waits until each has served somebody.
    init() async throws {
        let document = try Document(Self.page)
        let lines = try #require(document.blocks(in: "haproxy").first).lines
        let text = lines.joined(separator: "\n") + "\n"
        let bind = try #require(text.firstMatch(of: /bind (\S+)/)).1
        front = try #require(try Endpoint(parsing: String(bind)).resolve().first)
        names = text.matches(of: /server \w+ ([\d.]+):/).map { String($0.1) }
        let first = try #require(names.first)
        let command = try #require(
            document.blocks(in: "").flatMap(\.lines).first { $0.contains("--listen \(first):") }
        )
        flags = command.split(separator: " ").dropFirst().map {
            String($0.replacing(first, with: "ADDRESS"))
        }
        network = try await NetworkNamespace(addresses: ([front.host] + names).map { "\($0)/32" })
        // Each connection keeps a port for a while after its end.
        let ports = "/proc/sys/net/ipv4/ip_local_port_range"
        try await network.run("/bin/sh", "-c", "echo 1024 65535 > \(ports)")
        folder = try ScratchFolder()
        try text.write(toFile: folder.path("haproxy.cfg"), atomically: true, encoding: .utf8)
        for name in names { try await start(name, as: .completionPort) }
        balancer = try spawn("/usr/sbin/haproxy", ["-db", "-f", folder.path("haproxy.cfg")])
        for name in names { try await expectClients(of: name, connecting: true) }
    }

    /// Ends an instance as a service manager does.
    func stop(_ name: String) async throws {
        let instance = try #require(instances[name])
        instance.send(signal: SIGTERM)
        #expect(try await instance.exit() == .code(0))
    }

    /// Starts an instance again, and waits until it is sent connections.
    func restart(_ name: String, as model: EchoServer.IOModel) async throws {
        try await start(name, as: model)
        try await expectClients(of: name)
    }

    private func start(_ name: String, as model: EchoServer.IOModel) async throws {
        let arguments = flags.map { $0.replacing("ADDRESS", with: name) }
        let instance = try spawn(
            BuiltProduct.path(named: "echo"),
            arguments + ["--model", model.rawValue]
        )
        _ = try await instance.line { $0.hasPrefix("listening on \(name):") }
        instances[name] = instance
    }

    private func spawn(_ program: String, _ arguments: [String]) throws -> RunningProcess {
        let wrapper = network.wrapper
        return try RunningProcess(wrapper[0], wrapper.dropFirst() + [program] + arguments)
    }

    private func expectClients(of name: String, connecting: Bool = false) async throws {
        let served = try await eventually {
            if connecting {
                let clients = ShortConnections(to: front)
                _ = try await network.onThread { clients.exchange() }
            }
            let metrics = try spawn("/usr/bin/curl", ["-s", "http://\(name):9150/metrics"])
            let page = String(decoding: try await metrics.result().output, as: UTF8.self)
            let count = page.firstMatch(of: /echo_connections_accepted_total (\d+)/)?.1
            return count.flatMap { Int($0) } ?? 0 > 0
        }
        #expect(served, "\(name) was sent no client: \(balancer?.text(of: .standardError) ?? "")")
    }
}
