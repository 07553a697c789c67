import EchoSockets
import EchoTestSupport
import Glibc
import Testing

@Suite(.timeLimit(.minutes(5)))
struct DescriptorTests {
    @Test func `a descriptor is closed when its last owner goes, and no other with it`() async {
        await #expect(processExitsWith: .success) {
            // Numbers that nothing else in the process is given.
            for number in [500, 501] as [CInt] { dup2(STDIN_FILENO, number) }
            func handOver(_ owner: consuming Descriptor) -> Box { Box(owner) }
            do {
                let box = handOver(Descriptor(adopting: 500))
                expectOrExit(DescriptorFlags(of: box.descriptor.rawValue).contains(.open))
            }
            expectOrExit(DescriptorFlags(of: 500).isEmpty)
            dup2(STDIN_FILENO, 500)
            expectOrExit(DescriptorFlags(of: 500).contains(.open))
            expectOrExit(DescriptorFlags(of: 501).contains(.open))
        }
    }

    @Test func `a released descriptor stays open`() {
        let number = Descriptor(adopting: open("/dev/null")).release()
        #expect(DescriptorFlags(of: number).contains(.open))
        close(number)
    }

    @Test func `PF-10: everything that is opened is close-on-exec and non-blocking`() throws {
        let expected: DescriptorFlags = [.open, .closeOnExec, .nonBlocking]
        for family in [AF_INET, AF_INET6, AF_UNIX] {
            let socket = try Socket(family: family)
            #expect(DescriptorFlags(of: socket.number) == expected)
        }
        let pair = try Socket.pair()
        #expect(DescriptorFlags(of: pair.first.number) == expected)
        #expect(DescriptorFlags(of: pair.second.number) == expected)
        let listener = try Listener(.loopback(port: 0))
        #expect(DescriptorFlags(of: listener.number) == expected)
        let connection = try ConnectedPair(through: listener)
        #expect(DescriptorFlags(of: connection.server.number) == expected)
        let wakeup = try Wakeup()
        #expect(DescriptorFlags(of: wakeup.number) == expected)
        let routes = try RouteSocket()
        #expect(DescriptorFlags(of: routes.number) == expected)
        // epoll_wait never waits longer than it is told: the flag has no meaning there.
        let urgent = try UrgentReadiness(of: connection.server)
        #expect(DescriptorFlags(of: urgent.number) == [.open, .closeOnExec])
    }

    @Test func `PF-10: blocking sockets are close-on-exec too`() throws {
        let socket = try Socket(family: AF_INET, blocking: true)
        #expect(DescriptorFlags(of: socket.number) == [.open, .closeOnExec])
        let listener = try Listener(.loopback(port: 0))
        let client = try connectedSocket(to: listener.address)
        let accepted = try acceptedSocket(from: listener, blocking: true)
        #expect(DescriptorFlags(of: accepted.number) == [.open, .closeOnExec])
        _ = client.number
    }

    @Test func `flags can be set on what others opened`() throws {
        let owner = Descriptor(adopting: open("/dev/null"))
        #expect(DescriptorFlags(of: owner.rawValue) == [.open])
        try owner.setCloseOnExec()
        try owner.setNonBlocking(true)
        #expect(DescriptorFlags(of: owner.rawValue) == [.open, .closeOnExec, .nonBlocking])
        try owner.setNonBlocking(false)
        #expect(DescriptorFlags(of: owner.rawValue) == [.open, .closeOnExec])
    }

    @Test func `nothing leaks, not even when opening fails half-way`() async {
        await #expect(processExitsWith: .success) {
            let folder = try TemporaryFolder()
            _ = try folder.file("plain", holding: [])
            let before = ProcessFigures().openDescriptorCount
            // A number that no other thread is given once it is free again.
            let (low, probe) = (open("/dev/null"), CInt(500))
            dup2(low, probe)
            close(low)
            expectOrExit(ProcessFigures().openDescriptors[probe] == "/dev/null")
            close(probe)
            expectOrExit(ProcessFigures().openDescriptors[probe] == nil)
            for _ in 0..<20 {
                try openOneOfEach(folder)
            }
            // The runtime may have opened a few of its own; a leak would be one a round.
            expectOrExit(ProcessFigures().openDescriptorCount < before + 20)
        }
    }
}

private final class Box {
    let descriptor: Descriptor

    init(_ descriptor: consuming Descriptor) {
        self.descriptor = descriptor
    }
}

private func openOneOfEach(_ folder: TemporaryFolder) throws {
    let listener = try Listener(.loopback(port: 0))
    let connection = try ConnectedPair(through: listener)
    let urgent = try UrgentReadiness(of: connection.server)
    let routes = try RouteSocket()
    let pair = try Socket.pair()
    _ = (urgent.number, routes.number, pair.first.number, try Wakeup().number)
    expectOrExit((try? Listener(listener.address)) == nil)
    expectOrExit((try? Listener(.unix(folder.path("plain")))) == nil)
    expectOrExit((try? Listener(.unix(folder.path("none/at/all")))) == nil)
    _ = try Listener(.unix(folder.path("socket")))
    expectOrExit((try? Listener(adopting: Descriptor(adopting: open("/dev/null")))) == nil)
}

private func open(_ path: String) -> CInt {
    unsafe Glibc.open(path, O_RDONLY)
}
