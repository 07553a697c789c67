import EchoServer
import EchoSockets
import EchoTestSupport
import Testing

extension SystemdTests {
    /// A service that hangs is killed, and comes back.
    struct WatchdogTests {
        @Test func `a process that stands still is killed and started again`() async throws {
            let service = try await watched(.completionPort)
            try await service.manager.systemctl("kill", "-s", "STOP", service.unit)
            try await expectRestart(of: service)
        }

        /// All threads but one go on, the one that pings among them.
        @Test(arguments: [
            (EchoServer.IOModel.completionPort, "port-0"), (.asyncSelect, "async-select"),
            (.eventSelect, "acceptor"),
        ])
        func `a process of which one serving thread stands still is killed and started again`(
            _ model: EchoServer.IOModel,
            _ thread: String
        ) async throws {
            let service = try await watched(model)
            let stopper = try service.manager.start(
                ["python3", "-c", Self.stop, try await service.show("MainPID"), thread]
            )
            _ = try await stopper.line { $0 == "stopped" }
            try await expectRestart(of: service)
        }

        private func watched(_ model: EchoServer.IOModel) async throws -> TestService {
            let service = try await TestService()
            try await service.install(
                ["--listen", "\(service.address)", "--model", model.rawValue, "--workers", "1"],
                options: [
                    "WatchdogSec=3", "TimeoutAbortSec=2", "Restart=on-watchdog",
                    "RestartSec=100ms", "LimitCORE=0",
                ]
            )
            try await service.start()
            try await service.expectEcho()
            return service
        }

        private func expectRestart(of service: TestService) async throws {
            #expect(try await eventually { try await service.show("NRestarts") != "0" })
            #expect(try await service.managerJournal().contains("Watchdog timeout (limit 3s)!"))
            // More than once if the machine is slow.
            let answers = try await eventually {
                guard try await service.show("ActiveState") == "active" else { return false }
                let load = EchoLoad(connections: 1, bytes: 1000)
                return try await load.run(against: service.address).isComplete
            }
            #expect(answers)
            try await service.manager.systemctl("stop", service.unit)
        }

        /// Stops one thread as a debugger does, ptrace(2).
        private static let stop = """
            import ctypes, os, sys
            process, name = sys.argv[1:]
            tasks = f"/proc/{process}/task"
            thread = next(int(task) for task in os.listdir(tasks)
                          if open(f"{tasks}/{task}/comm").read().strip() == name)
            ptrace = ctypes.CDLL(None, use_errno=True).ptrace
            ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
            for request in (0x4206, 0x4207):  # PTRACE_SEIZE, PTRACE_INTERRUPT
                if ptrace(request, thread, None, None) != 0:
                    sys.exit(os.strerror(ctypes.get_errno()))
            os.waitpid(thread, 0x40000000)  # __WALL
            print("stopped", flush=True)
            os.waitpid(thread, 0x40000000)  # Its end, which nobody learns of before.
            """
    }
}
