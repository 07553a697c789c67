import EchoServer
import EchoSockets
import EchoTestSupport
import Testing

extension SystemdTests {
    /// Sockets that the manager opens, and passes on.
    struct ActivationTests {
        @Test func `the first connection starts it; it serves every socket, and knows their names`()
            async throws
        {
            let service = try await TestService()
            let path = temporarySocketPath()
            let free = try Listener(.loopback6(port: 0)).address
            try await service.install(
                [],
                options: ["StandardOutput=null", "StandardError=journal"],
                sockets: [
                    "-net": [
                        "ListenStream=\(service.address)", "ListenStream=\(free)",
                        "FileDescriptorName=net",
                    ],
                    "-local": ["ListenStream=\(path)", "FileDescriptorName=local"],
                ]
            )
            let sockets = ["\(service.name)-net.socket", "\(service.name)-local.socket"]
            for socket in sockets { try await service.manager.systemctl("start", socket) }
            #expect(try await service.show("ActiveState") == "inactive")
            let client = try await TestClient(to: service.address)
            #expect(try await client.exchange([1, 2, 3]) == [1, 2, 3])
            client.close()
            // It serves before the manager has read that it is ready.
            let isActive = try await eventually {
                try await service.show("ActiveState") == "active"
            }
            #expect(isActive)
            try await service.expectEcho(at: free)
            try await service.expectEcho(at: .unix(path))
            try await service.stop()
            // Its last line is there, and so are those before it: nothing else was listened on.
            #expect(try await service.journal(priority: 6, has: "stopped ") != nil)
            let listening = "listening endpoint="
            let lines = try await service.journal(priority: 6).filter { $0.hasPrefix(listening) }
            let end = "model=completion-port socket="
            let version = "version=\(EchoServer.version)"
            let expected: Set = [
                "\(listening)\(service.address) \(end)net \(version)",
                "\(listening)\(free) \(end)net \(version)",
                "\(listening)unix:\(path) \(end)local \(version)",
            ]
            #expect(Set(lines) == expected)
            // The sockets are the manager's, and start it again.
            try await service.expectEcho(at: .unix(path))
            for socket in sockets { try await service.manager.systemctl("stop", socket) }
            try await service.stop()
        }

        /// As the installed units have them: both on one port.
        @Test(arguments: EchoServer.IOModel.allCases)
        func `the first datagram starts it, and is answered; later ones wait for the next`(
            _ model: EchoServer.IOModel
        ) async throws {
            let service = try await TestService()
            let address = service.address
            try await service.install(
                ["--model", model.rawValue],
                sockets: ["": ["ListenStream=\(address)", "ListenDatagram=\(address)"]]
            )
            let socket = "\(service.name).socket"
            try await service.manager.systemctl("start", socket)
            #expect(try await service.show("ActiveState") == "inactive")
            let client = try DatagramClient()
            try await onThread {
                let answer = try client.exchange([1, 2, 3], with: address)
                #expect(answer?.bytes == [1, 2, 3])
                #expect(answer?.source == address)
            }
            try await service.expectEcho()
            // The queue is the manager's, which starts it again for what has come.
            try await service.stop()
            try await onThread {
                for number in UInt8(0)..<20 { try client.send([number], to: address) }
                let answers = try (0..<20).compactMap { _ in try client.receive()?.bytes }
                #expect(Set(answers) == Set((UInt8(0)..<20).map { [$0] }))
            }
            try await service.manager.systemctl("stop", socket)
            try await service.stop()
        }

        @Test func `what is given on the command line is opened as well`() async throws {
            let service = try await TestService()
            let path = temporarySocketPath()
            try await service.install(
                ["--listen", "unix:\(path)"],
                sockets: ["": ["ListenStream=\(service.address)"]]
            )
            try await service.manager.systemctl("start", "\(service.name).socket")
            try await service.start()
            try await service.expectEcho()
            try await service.expectEcho(at: .unix(path))
            try await service.manager.systemctl("stop", "\(service.name).socket")
            try await service.stop()
        }

        @Test func `a socket that cannot be served is named`() async throws {
            let service = try await TestService()
            try await service.install(
                [],
                sockets: [
                    "": ["ListenDatagram=@\(service.name)", "FileDescriptorName=news"]
                ]
            )
            try await service.manager.systemctl("start", "\(service.name).socket")
            _ = try await service.manager.run(["systemctl", "--user", "start", service.unit])
            let line =
                "echo: cannot serve inherited descriptor 3 (news): it is a Unix datagram socket; "
                + "set ListenStream= in its socket unit"
            #expect(try await service.journal(priority: 3, has: "cannot serve") == line)
            #expect(try await service.show("ExecMainStatus") == "69")
            try await service.manager.systemctl("stop", "\(service.name).socket")
        }
    }
}
