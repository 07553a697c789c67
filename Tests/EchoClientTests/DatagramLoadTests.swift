import EchoSockets
import EchoTestSupport
import Histogram
import Testing

@testable import EchoClient

/// The clients of a bench over UDP, against servers that are right and servers that are not.
@Suite(.timeLimit(.minutes(5)))
struct DatagramLoadTests {
    private func run(
        _ address: SocketAddress,
        for duration: Duration = .milliseconds(300),
        _ change: @escaping @Sendable (inout EchoBench.Load) -> Void = { _ in },
        until isConclusive: @escaping @Sendable (LoadTally) -> Bool = { _ in true }
    ) async throws -> LoadTally {
        try await onThread {
            var load = EchoBench.Load()
            change(&load)
            var tally: LoadTally
            // Where the machine was too busy, again.
            var rounds = 0
            repeat {
                let client = LoadClient(
                    try ClientLoop(),
                    address,
                    isDatagram: true,
                    load,
                    seed: 42
                )
                tally = client.run(warmUp: .milliseconds(50), duration: duration)
                rounds += 1
            } while !isConclusive(tally) && rounds < 10
            return tally
        }
    }

    private static let shapes: [(connections: Int, size: Int, inFlight: Int)] = [
        (1, 1, 1), (1, 1, 100), (3, 7, 16), (2, 8, 3), (20, 64, 1), (1, 64, 5), (1, 65_507, 1),
    ]

    @Test(arguments: shapes)
    func `datagrams come back, whatever their size and number`(
        _ shape: (connections: Int, size: Int, inFlight: Int)
    ) async throws {
        let server = try ScriptedDatagramServer { [$1] }
        let tally = try await run(server.address) {
            $0.connections = shape.connections
            $0.size = shape.size
            $0.inFlight = shape.inFlight
        } until: {
            $0.echoes > 0 || $0.firstFailure != nil
        }
        #expect(tally.echoes > 0 && tally.service.totalCount == UInt64(tally.echoes), "\(tally)")
        #expect(tally.wrongBytes == 0 && tally.failedConnections == 0)
        #expect(tally.firstFailure == nil)
    }

    @Test func `lost datagrams are counted, and their clients go on`() async throws {
        let server = try ScriptedDatagramServer { $0 % 3 == 2 ? [] : [$1] }
        let limit = UInt64(LoadDatagrams.timeLimit.nanoseconds)
        let tally = try await run(server.address, for: .seconds(2)) {
            $0.connections = 3
        } until: {
            // An echo that this machine was late for may have waited longer.
            $0.service.max < limit
        }
        // Each of the three is lost again and again, for 250 to 300 ms.
        #expect(tally.lost >= 6, "\(tally.lost)")
        #expect(tally.echoes >= tally.lost && tally.echoes <= 3 * tally.lost + 6)
        #expect(tally.wrongBytes == 0 && tally.failedConnections == 0)
        #expect(tally.service.max < limit)
    }

    @Test func `echoes may come in any order`() async throws {
        let held = Locked<[[UInt8]]>([])
        let server = try ScriptedDatagramServer { _, bytes in
            held.withLock { held in
                held.insert(bytes, at: 0)
                guard held.count == 4 else { return [] }
                defer { held = [] }
                return held
            }
        }
        let tally = try await run(server.address, for: .seconds(1)) { $0.inFlight = 4 }
        #expect(tally.echoes > 4 && tally.wrongBytes == 0 && tally.firstFailure == nil, "\(tally)")
    }

    @Test(arguments: [1, 64])
    func `what comes twice counts once`(_ size: Int) async throws {
        let server = try ScriptedDatagramServer { [$1, $1] }
        let tally = try await run(server.address, for: .seconds(1)) { $0.size = size }
        #expect(tally.echoes > 0 && tally.echoes <= server.count, "\(tally)")
        #expect(tally.wrongBytes == 0 && tally.failedConnections == 0)
    }

    /// What is wrong with an echo.
    enum Fault: String, CaseIterable, Sendable {
        case body = "offset 20: expected byte "
        case short = "63 of 64 bytes"
        case foreign = "65 bytes that were not sent"

        func spoil(_ bytes: [UInt8]) -> [UInt8] {
            var bytes = bytes
            switch self {
            case .body: bytes[20] ^= 1
            case .short: bytes.removeLast()
            case .foreign: bytes = Array(repeating: 0, count: 65)
            }
            return bytes
        }
    }

    @Test(arguments: Fault.allCases)
    func `wrong bytes end a socket`(_ fault: Fault) async throws {
        let server = try ScriptedDatagramServer { $0 == 20 ? [fault.spoil($1)] : [$1] }
        let tally = try await run(server.address, for: .seconds(2))
        #expect(tally.wrongBytes >= 1 && tally.failedConnections == 1, "\(tally)")
        #expect(tally.firstFailure?.contains(fault.rawValue) == true, "\(tally)")
    }

    @Test func `a closed port fails for its reason`() async throws {
        let address = try DatagramClient(at: .ipv4(0x7F00_0628, port: 0)).address
        let tally = try await run(address)
        #expect(tally.echoes == 0 && tally.wrongBytes == 0)
        #expect(tally.firstFailure?.contains("Connection refused") == true, "\(tally)")
    }

    @Test func `an open loop keeps to its rate`() async throws {
        let server = try ScriptedDatagramServer { [$1] }
        let tally = try await run(server.address, for: .seconds(3)) {
            $0.connections = 10
            $0.rate = 500
        }
        let due = Int(Double(tally.duration.nanoseconds) / 1e9 * 500)
        #expect(abs(tally.echoes + tally.lost - due) <= due / 5, "\(tally.echoes) of \(due)")
        #expect(tally.response.totalCount == UInt64(tally.echoes))
    }

    @Test func `a size or a shape that UDP has no place for is refused`() async throws {
        var loads = [EchoBench.Load](repeating: EchoBench.Load(), count: 4)
        loads[0].size = 65_508
        loads[1].isChurn = true
        loads[2].idleConnections = 1
        (loads[3].size, loads[3].inFlight) = (1, 257)
        for load in loads {
            var bench = EchoBench([.running("x", at: .udp("127.0.0.1", port: 9))])
            bench.loads = [load]
            await #expect {
                try await bench.run()
            } throws: { error in
                (error as? EchoBench.Failure)?.description
                    .hasPrefix("the load is not possible over UDP: ") == true
            }
        }
    }
}
