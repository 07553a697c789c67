import EchoServer
import Sockets
import TestSupport
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
                options: ["TimeoutStopSec=1"]
            )
            try await service.start()
            // Reads so slowly that much is owed for a while.
            let slowly = EchoLoad.Behaviour.slowReader(bytes: 128 << 10, every: .milliseconds(50))
            let load = try EchoLoad(connections: 1, bytes: 4 << 20, behaviour: slowly)
                .start(against: service.address)
            #expect(await load.reaches { $0.bytesVerified > 256 << 10 })
            let beginning = MonotonicTime.now
            try await service.stop()
            #expect(.now - beginning > .seconds(1.2), "it was stopped before it mattered")
            let report = try await load.report()
            #expect(report.isComplete, "\(report)")
            #expect(try await service.journal(priority: 6, has: "stopped aborted=0 ") != nil)
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
