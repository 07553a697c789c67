import EchoServer
import EchoSockets
import EchoTestSupport
import Testing

extension SystemdTests {
    /// What clients notice when the service goes away and comes back.
    struct RestartTests {
        @Test(arguments: EchoServer.IOModel.allCases)
        func `restarts refuse no connection, and reset none`(
            _ model: EchoServer.IOModel
        ) async throws {
            let service = try await activated(model)
            let hammer = Hammer(service.address)
            let clients = try await hammer.run(clients: 4) {
                for _ in 0..<3 {
                    let before = hammer.counts.echoed
                    #expect(await eventually { hammer.counts.echoed > before + 20 })
                    try await service.manager.systemctl("restart", service.unit)
                }
            }
            #expect(clients.echoed > 60)
            #expect(clients.failures == [:], "\(clients)")
            #expect(try await service.show("NRestarts") == "0")
            try await finish(service)
        }

        @Test func `a killed service comes back, and its clients wait`() async throws {
            let service = try await activated(.completionPort)
            let hammer = Hammer(service.address)
            let clients = try await hammer.run(clients: 4) {
                for count in 1...3 {
                    let before = hammer.counts.echoed
                    #expect(await eventually { hammer.counts.echoed > before + 20 })
                    try await service.manager.systemctl("kill", "-s", "KILL", service.unit)
                    try await service.expect("NRestarts", is: "\(count)")
                }
                try await service.expect("ActiveState", is: "active")
            }
            // Those that it was serving are lost, those that wait in the queue are not.
            #expect(clients.failures[.refused] == nil, "\(clients)")
            #expect(clients.lost <= 12, "\(clients)")
            try await service.expectEcho()
            try await finish(service)
        }

        @Test func `stopping drains, for longer than the manager waits by itself`() async throws {
            let service = try await TestService()
            try await service.install(
                ["--listen", "\(service.address)", "--drain-timeout", "60s"],
                options: ["TimeoutStopSec=500ms"]
            )
            try await service.start()
            let client = try await TestClient(to: service.address)
            defer { client.close() }
            #expect(try await client.exchange([1, 2, 3]) == [1, 2, 3])
            // The server ends the quiet connection, and waits a second for the client to do so too.
            let beginning = MonotonicTime.now
            async let end = client.receiveToEnd()
            try await service.stop()
            #expect(.now - beginning > .seconds(1))
            #expect(try await end == ([], .finished))
            #expect(try await service.journal(priority: 6, has: "stopped aborted=0 ") != nil)
        }

        @Test
        func `a delay before draining is served, for longer than the manager waits by itself`()
            async throws
        {
            let service = try await TestService()
            try await service.install(
                ["--listen", "\(service.address)", "--shutdown-delay", "2s"],
                options: ["TimeoutStopSec=500ms"]
            )
            try await service.start()
            let beginning = MonotonicTime.now
            try await service.manager.systemctl("stop", "--no-block", service.unit)
            let isTold = await eventually {
                let status = try? await service.show("StatusText")
                return status?.hasPrefix("shutting down, still accepting: ") == true
            }
            #expect(isTold)
            try await service.expectEcho()
            try await service.stop()
            #expect(.now - beginning > .seconds(2))
            #expect(try await service.journal(priority: 6, has: "draining ") != nil)
        }

        private func activated(_ model: EchoServer.IOModel) async throws -> TestService {
            let service = try await TestService()
            try await service.install(
                ["--model", model.rawValue],
                options: ["Restart=on-failure", "RestartSec=100ms"],
                sockets: ["": ["ListenStream=\(service.address)"]]
            )
            try await service.manager.systemctl("start", "\(service.name).socket")
            try await service.start()
            return service
        }

        private func finish(_ service: TestService) async throws {
            try await service.manager.systemctl("stop", "\(service.name).socket")
            try await service.stop()
        }
    }
}
