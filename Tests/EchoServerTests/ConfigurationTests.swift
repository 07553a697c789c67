import EchoServer
import EchoTestSupport
import Testing

/// Every setting out of range is refused when the server is made, with the range in the message.
@Suite(.timeLimit(.minutes(5)))
struct ConfigurationTests {
    struct BadValue: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let change: @Sendable (inout EchoServer.Configuration) -> Void

        init(
            _ message: String,
            _ change: @escaping @Sendable (inout EchoServer.Configuration) -> Void
        ) {
            testDescription = message
            self.change = change
        }
    }

    static let badValues = [
        BadValue("workers is 0; it must be from 1 to 1024") { $0.workers = 0 },
        BadValue("workers is 1025; it must be from 1 to 1024") { $0.workers = 1025 },
        BadValue("maximumConnections is 0; it must be from 1 to 2147483647") {
            $0.maximumConnections = 0
        },
        BadValue("maximumConnections is -1; it must be from 1 to 2147483647") {
            $0.maximumConnections = -1
        },
        BadValue("maximumConnectionsPerPeer is 0; it must be from 1 to 2147483647") {
            $0.maximumConnectionsPerPeer = 0
        },
        BadValue("receiveBufferSize is 63; it must be from 64 to 16777216") {
            $0.receiveBufferSize = 63
        },
        BadValue("receiveBufferSize is 16777217; it must be from 64 to 16777216") {
            $0.receiveBufferSize = 16_777_217
        },
        BadValue("pendingLimit is 63; it must be from 64 to 1073741824") { $0.pendingLimit = 63 },
        BadValue("pendingLimit is 1073741825; it must be from 64 to 1073741824") {
            $0.pendingLimit = 1_073_741_825
        },
        BadValue("backlog is 0; it must be from 1 to 2147483647") { $0.backlog = 0 },
        BadValue("datagramRate is 0; it must be from 1 to 1000000") { $0.datagramRate = 0 },
        BadValue("datagramRate is 1000001; it must be from 1 to 1000000") {
            $0.datagramRate = 1_000_001
        },
        BadValue("keepalive is 0.999 seconds; it must be from 1 s to 9 h") {
            $0.keepalive = .milliseconds(999)
        },
        BadValue("keepalive is 40000.0 seconds; it must be from 1 s to 9 h") {
            $0.keepalive = .seconds(40_000)
        },
        BadValue("socketReceiveBuffer is 4095; it must be from 4096 to 1073741824") {
            $0.socketReceiveBuffer = 4095
        },
        BadValue("socketMode is 0o1000; it must be from 0 to 0o777") { $0.socketMode = 0o1000 },
        BadValue(#"socketGroup is "no\nsuch"; there is no such group"#) {
            $0.socketGroup = "no\nsuch"
        },
        BadValue("idleTimeout is 0.0 seconds; it must be greater than zero") {
            $0.idleTimeout = .zero
        },
        BadValue("idleTimeout is -1.0 seconds; it must be greater than zero") {
            $0.idleTimeout = .seconds(-1)
        },
        BadValue("shutdownDelay is -1.0 seconds; it must not be negative") {
            $0.shutdownDelay = .seconds(-1)
        },
        BadValue("drainTimeout is -1.0 seconds; it must not be negative") {
            $0.drainTimeout = .seconds(-1)
        },
        BadValue("busyPoll is -0.001 seconds; it must be from 0 to 1 s") {
            $0.busyPoll = .milliseconds(-1)
        },
        BadValue("busyPoll is 1.001 seconds; it must be from 0 to 1 s") {
            $0.busyPoll = .milliseconds(1001)
        },
    ]

    @Test(arguments: badValues)
    func `a value out of range is refused with its range`(_ bad: BadValue) {
        var configuration = EchoServer.Configuration()
        bad.change(&configuration)
        let failure = #expect(throws: EchoServer.Failure.self) {
            try EchoServer(configuration: configuration)
        }
        #expect(failure?.code == .invalidConfiguration)
        #expect(failure?.message == bad.testDescription)
        #expect(failure?.errorNumber == nil)
    }

    @Test func `the limits of each range are allowed`() throws {
        var configuration = EchoServer.Configuration()
        configuration.workers = 1
        configuration.maximumConnections = 1
        configuration.maximumConnectionsPerPeer = 1
        configuration.receiveBufferSize = 64
        configuration.pendingLimit = 64
        configuration.backlog = 1
        configuration.keepalive = .seconds(1)
        configuration.socketReceiveBuffer = 4096
        configuration.socketMode = 0
        configuration.socketGroup = "0"
        configuration.idleTimeout = .nanoseconds(1)
        configuration.shutdownDelay = .zero
        configuration.drainTimeout = .zero
        configuration.busyPoll = .zero
        try configuration.validate()
        configuration.workers = 1024
        configuration.maximumConnections = Int(Int32.max)
        configuration.maximumConnectionsPerPeer = Int(Int32.max)
        configuration.receiveBufferSize = 16 << 20
        configuration.pendingLimit = 1 << 30
        configuration.backlog = Int(Int32.max)
        configuration.keepalive = .seconds(32_400)
        configuration.socketReceiveBuffer = 1 << 30
        configuration.socketMode = 0o777
        configuration.socketGroup = "root"
        configuration.idleTimeout = .seconds(Int64.max)
        configuration.shutdownDelay = .seconds(Int64.max)
        configuration.drainTimeout = .seconds(Int64.max)
        configuration.busyPoll = .seconds(1)
        try configuration.validate()
    }

    @Test func `nothing is reachable from the network unless asked for`() {
        let configuration = EchoServer.Configuration()
        #expect(configuration.listen == [.tcp("localhost", port: 5150)])
        #expect(configuration.model == .completionPort)
        #expect(configuration.shutdownDelay == .zero)
        #expect(configuration.drainTimeout == .seconds(5))
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `the smallest and odd buffers echo as well`(_ model: EchoServer.IOModel) async throws {
        for (buffer, limit) in [(64, 64), (64, 1000), (100, 64), (1000, 77)] {
            try await withServer(model) {
                $0.receiveBufferSize = buffer
                $0.pendingLimit = limit
            } _: { _, address in
                let report = try await EchoLoad(connections: 3, bytes: 50_001).run(against: address)
                #expect(report.isComplete, "\(buffer), \(limit): \(report)")
            }
        }
    }
}
