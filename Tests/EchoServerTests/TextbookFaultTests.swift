import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Synchronization
import Testing

/// One regression test for each fault of the textbook echo servers, SB-1 to SB-8; the rest is in
/// `TextbookConnectionFaultTests`.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct TextbookFaultTests {
    // The array's last element was never taken out, because the count was decremented only when
    // others had to move: the dead socket stayed in the set.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `SB-1: the connection that came last leaves like any other`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) { server, address in
            for order in [[4, 3, 2, 1, 0], [0, 1, 2, 3, 4], [2, 4, 0, 3, 1]] {
                var clients: [TestClient] = []
                for number in UInt8(0)..<5 {
                    let client = try await TestClient(to: address)
                    #expect(try await client.exchange([number]) == [number])
                    clients.append(client)
                }
                for (gone, index) in order.enumerated() {
                    clients[index].close()
                    await expectEventually(server, \.active, is: 4 - gone)
                    for other in order[(gone + 1)...] {
                        #expect(try await clients[other].exchange([7, 8]) == [7, 8])
                    }
                }
            }
        }
    }

    // A failed receive gave -1, which then indexed the message buffer and was its length.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `SB-2: a failed receive touches nothing but its connection`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) { server, address in
            let neighbour = try await TestClient(to: address)
            defer { neighbour.close() }
            let bytes = PatternBytes(seed: 2).bytes(count: 3000)
            for round in 1...30 {
                let failing = try await TestClient(to: address)
                #expect(try await failing.exchange([9]) == [9])
                try await neighbour.send(bytes)
                failing.reset()
                #expect(try await neighbour.receive(3000) == bytes)
                await expectEventually(server, { $0.closed }, is: [.reset: UInt64(round)])
            }
        }
    }

    // A read that filled the buffer had its terminator written behind the end.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `SB-3: reads that fill the buffer exactly write nothing behind it`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) {
            $0.receiveBufferSize = 1024
        } _: { _, address in
            let client = try await TestClient(to: address)
            defer { client.close() }
            for size in [1023, 1024, 1025, 2048, 4096, 65_536] {
                let bytes = PatternBytes(seed: UInt64(size)).bytes(count: size)
                #expect(try await client.exchange(bytes) == bytes)
            }
        }
    }

    // What was received was measured with strlen.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `SB-4: bytes after a NUL come back`(_ model: EchoServer.IOModel) async throws {
        try await withServer(model) { _, address in
            let client = try await TestClient(to: address)
            defer { client.close() }
            let everyByte = [UInt8](0...255)
            for bytes: [UInt8] in [everyByte, everyByte.reversed(), [0], [0, 0, 0], [65, 0, 66]] {
                #expect(try await client.exchange(bytes) == bytes)
            }
        }
    }

    // What `send` returned was ignored: what did not fit was lost (CO-8).
    @Test(arguments: EchoServer.IOModel.allCases)
    func `SB-5: what a send did not take is sent later`(_ model: EchoServer.IOModel) async throws {
        try await withServer(model) {
            $0.pendingLimit = 16 << 20
        } _: { _, address in
            let client = try await TestClient(to: address, receiveBuffer: 4096)
            defer { client.close() }
            // Nothing is read until all is sent: more than the server's sockets take. A thread
            // that blocks while it sends owes one buffer only, so that the client's own socket must
            // hold the rest.
            let size = model == .threadPerClient ? 1 << 20 : 8 << 20
            let bytes = PatternBytes(seed: 5).bytes(count: size)
            try await client.send(bytes)
            client.shutdownSending()
            let (back, end) = try await client.receiveToEnd()
            #expect(back == bytes)
            #expect(end == .finished)
        }
    }

    // Acceptor and worker shared arrays of 64 without a lock and without a check.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `SB-6: many connections open while as many are served`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) { _, address in
            let load = EchoLoad(connections: 60, bytes: 9000, behaviour: .lockstep(size: 300))
            async let first = load.run(against: address)
            async let second = load.run(against: address)
            async let third = load.run(against: address)
            for report in try await [first, second, third] {
                #expect(report.isComplete, "\(report)")
            }
        }
    }

    // A wait for nothing failed at once, again and again (SEL-2, ES-8, PF-14).
    @Test(arguments: EchoServer.IOModel.allCases)
    func `SB-7: without connections nothing spins`(_ model: EchoServer.IOModel) async throws {
        await #expect(processExitsWith: .success) { [model = model as EchoServer.IOModel] in
            try await withServer(model) { server, address in
                let silence = Silence()
                for _ in 0..<2 {
                    let before = ProcessFigures().cpuTime
                    try await silence.last(.seconds(1))
                    let used = ProcessFigures().cpuTime - before
                    #expect(used < .milliseconds(30), "\(used)")
                    // And after a connection has come and gone.
                    let report = try await EchoLoad().run(against: address)
                    #expect(report.isComplete, "\(report)")
                    await expectEventually(server, \.active, is: 0)
                }
            }
        }
    }

    // A connection was cleaned up twice: the second time it was the one that had taken its place.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `SB-8: a connection that ends takes no other with it`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) { server, address in
            var clients: [TestClient] = []
            defer { for client in clients { client.close() } }
            for number in 0..<70 {
                let client = try await TestClient(to: address)
                #expect(try await client.exchange([UInt8(number)]) == [UInt8(number)])
                clients.append(client)
            }
            // Data and the end at once, or data and a reset: both events at the same time.
            for number in stride(from: 0, to: 70, by: 2) {
                try await clients[number].send([1, 2, 3])
                if number % 4 == 0 { clients[number].shutdownSending() }
                if number % 4 == 2 { clients[number].reset() }
            }
            await expectEventually(server, \.active, is: 35)
            for number in stride(from: 1, to: 70, by: 2) {
                #expect(try await clients[number].exchange([UInt8(number)]) == [UInt8(number)])
            }
        }
    }
}

/// Waits for something that does not come.
struct Silence {
    func last(_ span: Duration) async throws {
        let wakeup = try Wakeup()
        let spoken = try await onThread { isReadable(wakeup.number, within: span) }
        #expect(!spoken)
    }
}
