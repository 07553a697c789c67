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
                options: ["TimeoutStopSec=2s"]
            )
            try await service.start()
            // More than has room on the way back: the server waits for it to be read.
            let bytes = PatternBytes(seed: 7).bytes(count: 1 << 20)
            let client = try await TestClient(to: service.address, receiveBuffer: 4096)
            try await client.send(bytes)
            let beginning = MonotonicTime.now
            async let back = Self.receive(from: client, after: 4)
            try await service.stop()
            #expect(.now - beginning > .seconds(4))
            let isWhole = try await back == bytes
            #expect(isWhole)
            #expect(try await service.journal(priority: 6, has: "stopped aborted=0 ") != nil)
        }

        // Everything up to the end, which is to be in good order.
        private static func receive(
            from client: TestClient,
            after seconds: CInt
        ) async throws -> [UInt8] {
            await pause(milliseconds: seconds * 1000)
            let (bytes, end) = try await client.receiveToEnd()
            client.close()
            #expect(end == .finished)
            return bytes
        }

        @Test
        func `a delay before draining is served, for longer than the manager waits by itself`()
            async throws
        {
            let service = try await TestService()
            try await service.install(
                ["--listen", "\(service.address)", "--shutdown-delay", "6s"],
                options: ["TimeoutStopSec=2s"]
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
            #expect(.now - beginning > .seconds(6))
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
