import EchoTestSupport
import Testing

extension SystemdTests {
    /// A service without a network, as the installed units make it.
    struct SandboxTests {
        private static let sandbox = ["PrivateNetwork=yes", "RestrictAddressFamilies=AF_UNIX"]

        @Test(arguments: [
            ("ECHO_LISTEN=127.0.0.1:7", "systemctl edit echo-server.socket"),
            ("ECHO_LISTEN=localhost:7", "systemctl edit echo-server.socket"),
            ("ECHO_METRICS=127.0.0.1:9107", "systemctl enable --now echo-server-metrics.socket"),
        ])
        func `it says why it cannot listen on TCP, and what to change`(
            _ setting: String,
            _ advice: String
        ) async throws {
            let service = try await TestService()
            try await service.install(
                ["--listen", "unix:@\(service.name)"].filter { _ in setting.contains("METRICS") },
                options: Self.sandbox + ["Environment=\(setting)", "StandardError=journal"]
            )
            let start = ["systemctl", "--user", "start", service.unit]
            #expect(try await service.manager.run(start).exit != .code(0))
            let found = try await service.journal(priority: 3, has: "cannot listen on ")
            let line = try #require(found)
            let reason = "this service has no network (PrivateNetwork= or RestrictAddressFamilies="
            #expect(line.contains(reason) && line.contains(advice), "\(line)")
            #expect(try await service.journal(priority: 3).count == 1)
            #expect(try await service.show("StatusText").contains(advice))
        }

        @Test func `it says that nobody can connect, where it may listen on TCP`() async throws {
            let service = try await TestService()
            try await service.install(
                ["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"],
                options: ["PrivateNetwork=yes", "StandardError=journal"]
            )
            try await service.start()
            for advice in ["echo-server.socket", "echo-server-metrics.socket"] {
                let line = try await service.journal(priority: 4, has: advice)
                #expect(line?.hasPrefix("nobody can connect: ") == true, "\(line ?? "")")
            }
            try await service.stop()
        }

        @Test func `it complains of nothing where there is a network`() async throws {
            let service = try await TestService()
            try await service.install(
                ["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"],
                options: ["StandardError=journal"]
            )
            try await service.start()
            _ = try await service.journal(priority: 6, has: "listening")
            try await service.stop()
            #expect(try await service.journal(priority: 4) == [])
        }
    }
}
