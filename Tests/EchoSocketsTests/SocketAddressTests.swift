import EchoSockets
import EchoTestSupport
import Glibc
import Testing

@Suite(.timeLimit(.minutes(5)))
struct SocketAddressTests {
    @Test(arguments: [
        ("127.0.0.1", "127.0.0.1:7"), ("0.0.0.0", "0.0.0.0:7"),
        ("255.255.255.255", "255.255.255.255:7"), ("::1", "[::1]:7"), ("::", "[::]:7"),
        ("2001:DB8:0:0::0:1", "[2001:db8::1]:7"), ("::ffff:1.2.3.4", "[::ffff:1.2.3.4]:7"),
        ("fe80::1%1", "[fe80::1%1]:7"), ("fe80::1%lo", "[fe80::1%1]:7"),
    ])
    func `numeric addresses are parsed, and printed in their canonical form`(
        text: String,
        printed: String
    ) {
        #expect(SocketAddress(numeric: text, port: 7)?.description == printed)
    }

    @Test(arguments: [
        "", "localhost", "127.0.0", "127.0.0.256", "127.0.0.1 ", "1.2.3.4.5", ":::", "::g", "[::1]",
        "fe80::1%", "fe80::1%nosuchif", "127.0.0.1%lo", "12345::", "%lo",
    ])
    func `what is not a numeric address is refused`(text: String) {
        #expect(SocketAddress(numeric: text, port: 7) == nil)
    }

    @Test(arguments: [
        SocketAddress.ipv4(0x7F01_0203, port: 0xABCD), .loopback(port: 0), .ipv4(.max, port: .max),
        .ipv6(0x2001_0DB8_0000_1234, 0x5678_0000_0000_9ABC, port: 0xABCD, scope: 0),
        .ipv6(0xFE80_0000_0000_0000, 1, port: 1, scope: 42), .loopback6(port: 80),
        .unix("/run/echo.sock"), .unix("\0abstract"), .unix("\0with\0nul"), .unix(""),
        .unix(String(repeating: "a", count: 107)), .unix("\0" + String(repeating: "b", count: 106)),
    ])
    func `the kernel's form and back gives the same address`(address: SocketAddress) {
        let copy = unsafe address.withSockaddr { source, length in
            unsafe SocketAddress.read { target, room in
                unsafe memcpy(target, source, Int(length))
                unsafe room.pointee = length
                return 0
            }
        }
        #expect(copy == address)
    }

    @Test func `an unnamed socket has the empty path, and a failed call no address`() throws {
        let pair = try Socket.pair()
        #expect(pair.first.localAddress == .unix(""))
        #expect(pair.first.peerAddress == .unix(""))
        #expect(SocketAddress.unix("").description == "unix:")
        let loose = try Socket(family: AF_INET)
        #expect(loose.peerAddress == nil)
        #expect(loose.family == AF_INET)
    }

    @Test func `both ends agree on who is who`() throws {
        for address in [SocketAddress.loopback(port: 0), .loopback6(port: 0)] {
            let listener = try Listener(address)
            let pair = try ConnectedPair(through: listener)
            #expect(pair.client.peerAddress == listener.address)
            #expect(pair.server.localAddress == listener.address)
            #expect(pair.server.peerAddress == pair.client.localAddress)
        }
    }

    @Test func `ports, families and wildcards are told`() {
        #expect(SocketAddress.loopback(port: 1).with(port: 2) == .loopback(port: 2))
        #expect(SocketAddress.loopback6(port: 1).with(port: 2) == .loopback6(port: 2))
        #expect(SocketAddress.unix("a").with(port: 2) == .unix("a"))
        #expect(SocketAddress.unix("a").port == nil)
        #expect(SocketAddress.loopback6(port: 9).port == 9)
        let families = [SocketAddress.loopback(port: 0), .loopback6(port: 0), .unix("")].map(
            \.family
        )
        #expect(families == [AF_INET, AF_INET6, AF_UNIX])
        #expect(SocketAddress.ipv4(0, port: 1).isWildcard)
        #expect(SocketAddress.ipv6(0, 0, port: 1, scope: 0).isWildcard)
        #expect(!SocketAddress.loopback(port: 0).isWildcard)
        #expect(!SocketAddress.unix("").isWildcard)
    }
}
