import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// What a serving server does when system calls fail: no wrong byte, no spinning, nothing left
/// behind, a line in the log where an operator has something to do; and serving goes on.
@Suite(.timeLimit(.minutes(5)))
struct SystemCallFailureTests {
    /// Failures that come now and then.
    struct Fault: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let rules: [InjectedFaults.Rule]
        /// Whether every connection is served all the same.
        var isHarmless = false
        /// What the log must say of it.
        var line: String?
        var models = EchoServer.IOModel.allCases
    }

    // An edge-triggered loop rightly takes a short transfer for a sign that there is no more.
    private static let levelTriggered: [EchoServer.IOModel] = [
        .threadPerClient, .select, .asyncSelect, .eventSelect,
    ]

    static let faults: [Fault] = [
        Fault(
            testDescription: "signals interrupt, options and shutdown are refused",
            rules: ["recv", "send", "accept4", "poll", "select", "epoll_wait"].map {
                InjectedFaults.Rule($0, EINTR, oneIn: 3)
            } + [.init("setsockopt", ENOPROTOOPT), .init("shutdown", ENOTCONN)],
            isHarmless: true
        ),
        Fault(
            testDescription: "connections are lost before they are accepted",
            rules: [.init("accept4", ECONNABORTED, oneIn: 2)],
            isHarmless: true
        ),
        Fault(
            testDescription: "descriptors, memory and buffers run out for accept",
            rules: [EMFILE, ENOBUFS].map { .init("accept4", $0, oneIn: 16) },
            isHarmless: true,
            line: "warning: cannot accept connections for now"
        ),
        Fault(
            testDescription: "single bytes are transferred, or none",
            rules: [
                .init("recv", 0, oneIn: 2), .init("send", 0, oneIn: 2),
                .init("recv", EAGAIN, oneIn: 4), .init("send", EAGAIN, oneIn: 4),
            ],
            isHarmless: true,
            models: levelTriggered
        ),
        Fault(
            testDescription: "waiting fails",
            rules: [
                .init("poll", ENOMEM, oneIn: 3), .init("select", ENOMEM, oneIn: 3),
                .init("epoll_wait", EINVAL, oneIn: 3),
            ],
            isHarmless: true
        ),
        Fault(
            testDescription: "transfers fail for good",
            rules: [
                .init("recv", ECONNRESET, from: 10, oneIn: 40),
                .init("send", EPIPE, from: 10, oneIn: 40),
                .init("recv", ENOMEM, from: 10, oneIn: 40),
                .init("send", ENOBUFS, from: 10, oneIn: 40),
            ]
        ),
        Fault(
            testDescription: "the kernel watches no more sockets",
            rules: [.init("epoll_ctl", ENOSPC, oneIn: 3)],
            line: "warning: cannot serve a connection; the established ones are served "
                + "error=\"No space left on device\"",
            models: [
                .asyncSelect, .eventSelect, .overlapped, .overlappedRoutine, .completionPort,
            ]
        ),
        Fault(
            testDescription: "threads run out",
            rules: [.init("pthread_create", EAGAIN, oneIn: 3)],
            line: "warning: cannot accept connections for now",
            models: [.threadPerClient]
        ),
    ]

    static let cases = faults.flatMap { fault in fault.models.map { (fault, $0) } }

    @Test(arguments: cases)
    func `a call that fails now and then costs its connection at most`(
        _ fault: Fault,
        _ model: EchoServer.IOModel
    ) async throws {
        let faults = try await InjectedFaults(fault.rules)
        let server = try await RunningServer(model, through: faults.wrapper)
        try await server.expectEcho()
        let sockets = server.figures.openSocketCount
        faults.apply(true)
        for round in 0..<20 where round < 2 || faults.failures.reduce(0, +) == 0 {
            let report = try await EchoLoad(connections: 24, bytes: 40_000)
                .run(against: server.address)
            #expect(report.firstMismatch == nil && report.unfinished == 0, "\(report)")
            if fault.isHarmless { #expect(report.isComplete, "\(report)") }
        }
        #expect(faults.failures.reduce(0, +) > 0)
        faults.apply(false)
        try await server.expectEcho()
        let settled = await eventually { server.figures.openSocketCount <= sockets }
        #expect(settled, "\(server.figures.openDescriptors)")
        if let line = fault.line {
            _ = try await server.process.line(from: .standardError) { $0.contains(line) }
        }
        let lines = server.process.lines(of: .standardError)
        #expect(lines.allSatisfy { $0.hasPrefix("20") }, "\(lines)")
        try await server.expectExit()
    }

    /// A call that fails each time, until further notice.
    struct Outage: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let rules: [InjectedFaults.Rule]
        /// Whether established connections are served meanwhile.
        let servesOn: Bool
        let line: String?
    }

    static let outages = [
        Outage(
            testDescription: "a policy forbids accept",
            rules: [.init("accept4", EPERM)],
            servesOn: true,
            line: "Operation not permitted"
        ),
        Outage(
            testDescription: "no descriptor in the system",
            rules: [.init("accept4", ENFILE)],
            servesOn: true,
            line: "Too many open files in system"
        ),
        Outage(
            testDescription: "no wait succeeds",
            rules: [
                .init("poll", ENOMEM), .init("select", ENOMEM), .init("epoll_wait", EINVAL),
            ],
            servesOn: false,
            line: nil
        ),
    ]

    @Test(arguments: outages, EchoServer.IOModel.allCases)
    func `PF-3: a call that fails each time is waited out without spinning`(
        _ outage: Outage,
        _ model: EchoServer.IOModel
    ) async throws {
        let faults = try await InjectedFaults(outage.rules)
        let server = try await RunningServer(model, through: faults.wrapper)
        let client = try await TestClient(to: server.address)
        defer { client.close() }
        #expect(try await client.exchange([1, 2, 3]) == [1, 2, 3])
        faults.apply(true)
        let load = try EchoLoad(connections: 12, bytes: 20_000).start(against: server.address)
        #expect(await eventually { faults.failures.reduce(0, +) > 0 || !outage.servesOn })
        if let line = outage.line {
            _ = try await server.process.line(from: .standardError) { $0.contains(line) }
        }
        let before = server.figures.cpuTime
        try await letPass(.seconds(1))
        let used = server.figures.cpuTime - before
        #expect(used < .milliseconds(isSanitized ? 600 : 150), "\(used)")
        if outage.servesOn { #expect(try await client.exchange([4, 5]) == [4, 5]) }
        faults.apply(false)
        let report = try await load.report()
        #expect(report.isComplete, "\(report)")
        #expect(try await client.exchange([6]) == [6])
        let lines = server.process.lines(of: .standardError)
        #expect(lines.count <= 3, "\(lines)")
        client.close()
        try await server.expectExit()
    }

    @Test func `without threads clients wait, with one line in the log`()
        async throws
    {
        let faults = try await InjectedFaults([.init("pthread_create", EAGAIN)])
        let server = try await RunningServer(.threadPerClient, through: faults.wrapper)
        let client = try await TestClient(to: server.address)
        defer { client.close() }
        #expect(try await client.exchange([1]) == [1])
        faults.apply(true)
        let waiting = try EchoLoad(connections: 6, bytes: 100).start(against: server.address)
        _ = try await server.process.line(from: .standardError) { $0.contains("cannot accept") }
        #expect(try await client.exchange([2]) == [2])
        #expect(server.process.lines(of: .standardError).count == 2)
        faults.apply(false)
        let report = try await waiting.report()
        #expect(report.isComplete, "\(report)")
        _ = try await server.process.line(from: .standardError) { $0.contains("again") }
        client.close()
        try await server.expectExit()
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `SIGTERM is obeyed when there is no thread and no descriptor left`(
        _ model: EchoServer.IOModel
    ) async throws {
        let rules: [InjectedFaults.Rule] = [
            .init("pthread_create", EAGAIN), .init("eventfd", EMFILE), .init("socket", EMFILE),
            .init("epoll_create1", EMFILE),
        ]
        let faults = try await InjectedFaults(rules, includingDispatch: true)
        let server = try await RunningServer(model, through: faults.wrapper)
        let client = try await TestClient(to: server.address)
        defer { client.close() }
        #expect(try await client.exchange([1]) == [1])
        faults.apply(true)
        server.process.send(signal: SIGTERM)
        #expect(try await client.receiveToEnd().end == .finished)
        client.close()
        #expect(try await server.process.exit() == .code(0))
    }
}

extension ProcessFigures {
    /// How many sockets are open: what connections could leave behind.
    ///
    /// Dispatch opens descriptors of its own when it likes.
    fileprivate var openSocketCount: Int {
        openDescriptors.values.filter { $0.hasPrefix("socket:") }.count
    }
}
