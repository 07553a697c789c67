import EchoServer
import EchoSockets
import EchoTestSupport
import Testing

extension SystemdTests {
    /// What the manager and the journal learn of a service.
    struct ReadinessTests {
        @Test(arguments: EchoServer.IOModel.allCases)
        func `it is started once it accepts, and stopped in good order`(
            _ model: EchoServer.IOModel
        ) async throws {
            let service = try await TestService()
            try await service.install([
                "--listen", "\(service.address)", "--model", model.rawValue,
            ])
            try await service.start()
            // At once: that is what readiness promises.
            try await service.expectEcho()
            let status = try await service.show("StatusText")
            #expect(status.hasPrefix("\(model.rawValue) on \(service.address); connections: "))
            try await service.stop()
        }

        @Test func `the status follows the connections`() async throws {
            let service = try await TestService()
            let path = temporarySocketPath()
            try await service.install([
                "--listen", "\(service.address)", "--listen", "unix:\(path)",
            ])
            try await service.start()
            let introduction = "completion-port on \(service.address), unix:\(path); connections: "
            let none =
                introduction + "0 active, 0 accepted, 0 rejected; version \(EchoServer.version)"
            #expect(try await service.show("StatusText") == none)
            let client = try await TestClient(to: service.address)
            #expect(try await client.exchange([1, 2, 3]) == [1, 2, 3])
            let one =
                introduction + "1 active, 1 accepted, 0 rejected; version \(EchoServer.version)"
            try await service.expect("StatusText", is: one)
            client.close()
            let over =
                introduction + "0 active, 1 accepted, 0 rejected; version \(EchoServer.version)"
            try await service.expect("StatusText", is: over)
            try await service.stop()
        }

        @Test func `the journal has levels, and each line once`() async throws {
            let service = try await TestService()
            try await service.install(
                ["--listen", "\(service.address)", "--log-level", "debug"],
                options: ["StandardOutput=null", "StandardError=journal"]
            )
            try await service.start()
            let client = try await TestClient(to: service.address)
            let peer = try #require(client.localAddress)
            #expect(try await client.exchange([1, 2, 3]) == [1, 2, 3])
            client.close()
            let closed = try await service.journal(priority: 7, has: "connection closed")
            let expected = """
                connection closed bytes-received=3 bytes-sent=3 cause=peer-closed duration-seconds=
                """
            #expect(closed?.hasPrefix(expected) == true, "\(closed ?? "")")
            #expect(closed?.hasSuffix(" peer=\(peer)") == true, "\(closed ?? "")")
            try await service.stop()
            #expect(try await service.journal(priority: 6, has: "stopped ") != nil)
            let lines = try await service.journal(priority: 6)
            #expect(
                lines.first == "listening endpoint=\(service.address) model=completion-port"
                    + " version=\(EchoServer.version)"
            )
            #expect(lines.count == 3, "\(lines)")
        }

        @Test func `the manager learns why there is no service`() async throws {
            let service = try await TestService()
            let taken = try Listener(service.address)
            defer { withExtendedLifetime(taken) {} }
            try await service.install(["--listen", "\(service.address)"])
            let result = try await service.manager.run([
                "systemctl", "--user", "start", service.unit,
            ])
            #expect(result.exit != .code(0))
            let reason = "cannot listen on \(service.address): Address already in use"
            #expect(try await service.show("StatusText") == reason)
            #expect(try await service.show("StatusErrno") == "98")
            #expect(try await service.show("ExecMainStatus") == "69")
            #expect(try await service.journal(priority: 3, has: reason) == "echo: \(reason)")
        }
    }
}

/// A path for a Unix socket that no other test uses.
func temporarySocketPath() -> String {
    "/tmp/echo-systemd-\(UInt64.random(in: 0...UInt64.max)).sock"
}
