import EchoSockets
import EchoTestSupport
import Glibc
import Testing

struct EndpointTests {
    @Test(
        arguments: [
            ("5150", .tcp(host: "localhost", port: 5150), "localhost:5150"),
            ("0", .tcp(host: "localhost", port: 0), "localhost:0"),
            ("65535", .tcp(host: "localhost", port: 65535), "localhost:65535"),
            ("00007", .tcp(host: "localhost", port: 7), "localhost:7"),
            ("127.0.0.1:5150", .tcp(host: "127.0.0.1", port: 5150), "127.0.0.1:5150"),
            ("example.org:7", .tcp(host: "example.org", port: 7), "example.org:7"),
            (
                "under_score-host.:7", .tcp(host: "under_score-host.", port: 7),
                "under_score-host.:7"
            ),
            ("*:7", .tcp(host: "*", port: 7), "*:7"),
            ("[::1]:5150", .tcp(host: "::1", port: 5150), "[::1]:5150"),
            ("[::]:0", .tcp(host: "::", port: 0), "[::]:0"),
            ("[::ffff:1.2.3.4]:9", .tcp(host: "::ffff:1.2.3.4", port: 9), "[::ffff:1.2.3.4]:9"),
            ("[fe80::1%1]:7", .tcp(host: "fe80::1%1", port: 7), "[fe80::1%1]:7"),
            ("[fe80::1%lo]:7", .tcp(host: "fe80::1%lo", port: 7), "[fe80::1%lo]:7"),
            ("unix:/run/echo.sock", .unix(path: "/run/echo.sock"), "unix:/run/echo.sock"),
            ("unix:echo:7", .unix(path: "echo:7"), "unix:echo:7"),
            ("unix:@name", .unix(path: "\0name"), "unix:@name"),
            ("udp:7", .udp(host: "localhost", port: 7), "udp:localhost:7"),
            ("udp:127.0.0.1:7", .udp(host: "127.0.0.1", port: 7), "udp:127.0.0.1:7"),
            ("udp:example.org:0", .udp(host: "example.org", port: 0), "udp:example.org:0"),
            ("udp:*:7", .udp(host: "*", port: 7), "udp:*:7"),
            ("udp:[::1]:7", .udp(host: "::1", port: 7), "udp:[::1]:7"),
            ("udp:[fe80::1%lo]:7", .udp(host: "fe80::1%lo", port: 7), "udp:[fe80::1%lo]:7"),
            ("unix:./@name", .unix(path: "./@name"), "unix:./@name"),
        ] as [(String, Endpoint, String)]
    )
    func `what a person writes is understood and printed`(
        text: String,
        endpoint: Endpoint,
        printed: String
    ) throws {
        let parsed = try Endpoint(parsing: text)
        #expect(parsed == endpoint)
        #expect(parsed.description == printed)
        #expect(try Endpoint(parsing: printed) == endpoint)
    }

    private static let port = "the port is not a number from 0 to 65535"
    private static let host = "the host is neither a name nor an address"
    private static let brackets = "there is no IPv6 address in the brackets"

    @Test(arguments: [
        ("65536", port), ("70000", port), ("-1", port), ("+7", port), ("7 ", port), ("0x50", port),
        ("\u{0667}", port), ("99999999999999999999", port), ("localhost:http", port),
        ("127.0.0.1:7:", port), ("a b:7", host), ("**:7", host), ("h\u{F6}st:7", host),
        ("a/b:7", host), ("[]:7", brackets), ("[:7", brackets), ("]:7", brackets),
        ("[::1:7", brackets), ("::1]:7", brackets), ("[::g]:7", brackets),
        ("[fe80::1%]:7", brackets),
        ("udp:65536", port), ("udp:a b:7", host), ("udp:[::g]:7", brackets),
        ("a:7:7", "an IPv6 address is written in brackets: [::1]:PORT"),
        ("unix:", "the path is empty"), ("unix:@", "the path is empty"),
        ("unix:a\0b", "the path contains NUL"),
    ])
    func `what cannot be understood is told in so many words`(text: String, reason: String) {
        let error = #expect(throws: Endpoint.ParseError.self) { try Endpoint(parsing: text) }
        #expect(error?.description == reason)
    }

    @Test(arguments: [
        ("", "it is empty: write PORT, HOST:PORT, [IPv6]:PORT, udp:HOST:PORT or unix:PATH"),
        ("udp:", "the port is missing: write udp:HOST:PORT"),
        ("udp:127.0.0.1", "the port is missing: write udp:127.0.0.1:PORT"),
        ("udp:example.org:", "the port is missing: write udp:example.org:PORT"),
        ("udp:[::1]", "the port is missing: write udp:[::1]:PORT"),
        ("udp::7", "the host is missing: write udp:*:7 for every address, or udp:7 for localhost"),
        ("udp:::1:7", "an IPv6 address is written in brackets: udp:[::1]:7"),
        (
            "udp:fe80::1",
            "an IPv6 address is written in brackets, before the port: udp:[fe80::1%INTERFACE]:PORT"
        ),
        ("udp:[127.0.0.1]:7", "an IPv4 address has no brackets: write udp:127.0.0.1:7"),
        (
            "udp:[fe80::1]:7",
            "a link-local address needs its network interface: write udp:[fe80::1%INTERFACE]:7"
        ),
        ("udp:/tmp/x", "UDP has no paths: write udp:HOST:PORT"),
        ("udp:unix:/tmp/x", "UDP has no paths: write udp:HOST:PORT"),
        ("udp://127.0.0.1:7", "an endpoint of UDP has no slashes: write udp:127.0.0.1:7"),
        ("UDP://[::1]:7", "an endpoint of UDP has no slashes: write udp:[::1]:7"),
        ("udp://127.0.0.1", "an endpoint of UDP is written udp:HOST:PORT"),
        ("udp4:127.0.0.1:7", "an endpoint of UDP is written udp:127.0.0.1:7"),
        ("UDP:nowhere", "an endpoint of UDP is written udp:HOST:PORT"),
        ("localhost", "the port is missing: write localhost:PORT"),
        ("localhost:", "the port is missing: write localhost:PORT"),
        ("example.org", "the port is missing: write example.org:PORT"),
        ("127.0.0.1", "the port is missing: write 127.0.0.1:PORT"),
        ("*", "the port is missing: write *:PORT"),
        ("*:", "the port is missing: write *:PORT"),
        ("[::1]", "the port is missing: write [::1]:PORT"),
        ("[::1]:", "the port is missing: write [::1]:PORT"),
        (":7", "the host is missing: write *:7 for every address, or 7 for localhost"),
        ("::1", "an IPv6 address is written in brackets, before the port: [::1]:PORT"),
        (
            "2001:db8::",
            "an IPv6 address is written in brackets, before the port: [2001:db8::]:PORT"
        ),
        (
            "fe80::1",
            "an IPv6 address is written in brackets, before the port: [fe80::1%INTERFACE]:PORT"
        ),
        ("::1:7", "an IPv6 address is written in brackets: [::1]:7"),
        ("[127.0.0.1]:7", "an IPv4 address has no brackets: write 127.0.0.1:7"),
        ("[fe80::1%nope]:7", "there is no network interface nope: \"ip link\" lists them"),
        (
            "[fe80::1]:7",
            "a link-local address needs its network interface: write [fe80::1%INTERFACE]:7"
        ),
        (
            "[ff02::1]:7",
            "a link-local address needs its network interface: write [ff02::1%INTERFACE]:7"
        ),
        ("/tmp/x.sock", "a Unix socket is written unix:/tmp/x.sock"),
        ("./x.sock", "a Unix socket is written unix:./x.sock"),
        ("run/x:1", "the host is neither a name nor an address"),
        ("run/x.sock", "a Unix socket is written unix:run/x.sock"),
        ("UNIX:/tmp/x", "a Unix socket is written unix:/tmp/x"),
        ("unix-connect:/tmp/x", "a Unix socket is written unix:/tmp/x"),
        ("@name", "an abstract Unix socket is written unix:@name"),
        ("http://example.org:80/x", "an endpoint has no scheme: write example.org:80"),
        ("HTTP://[::1]:80", "an endpoint has no scheme: write [::1]:80"),
        ("http://example.org", "an endpoint has a port and no scheme: write example.org:PORT"),
        ("http://[::1]/", "an endpoint has a port and no scheme: write [::1]:PORT"),
        ("tcp://127.0.0.1:7", "an endpoint has no scheme: write 127.0.0.1:7"),
        ("tcp:127.0.0.1:7", "an endpoint has no scheme: write 127.0.0.1:7"),
        ("tcp://", "an endpoint has no scheme: write HOST:PORT"),
        ("file:///tmp/x", "an endpoint has no scheme: write unix:/tmp/x"),
    ])
    func `what to write instead is told`(text: String, reason: String) throws {
        let error = #expect(throws: Endpoint.ParseError.self) { try Endpoint(parsing: text) }
        #expect(error?.description == reason)
        // What is to be written is understood.
        let endpoints = reason.matches(
            of: /(?:unix:|udp:|\[?[*a-z0-9:])[^ ,]*:(?:PORT|\d+)|unix:[^ ,]+/
        )
        for written in endpoints.map({ String($0.output) }) where !text.isEmpty {
            let text = written.replacing("PORT", with: "7").replacing("INTERFACE", with: "lo")
            #expect(throws: Never.self, "\(text)") { try Endpoint(parsing: text) }
        }
    }

    @Test func `a path may have 107 bytes, however many characters those are`() throws {
        let longest = String(repeating: "\u{FC}", count: 53) + "x"
        #expect(try Endpoint(parsing: "unix:" + longest) == .unix(path: longest))
        let error = #expect(throws: Endpoint.ParseError.self) {
            try Endpoint(parsing: "unix:\(longest)x")
        }
        #expect(error?.description == "the path is longer than 107 bytes")
        let name = "@" + String(repeating: "a", count: 106)
        #expect(try Endpoint(parsing: "unix:" + name).description == "unix:" + name)
    }

    @Test func `kernel errors that would mislead are explained`() throws {
        let folder = try TemporaryFolder()
        _ = try folder.file("file", holding: [1])
        func explanation(_ address: SocketAddress, _ number: CInt) -> String? {
            address.explanation(of: Errno(rawValue: number))
        }
        for number in [EADDRINUSE, ECONNREFUSED] {
            let file = SocketAddress.unix(folder.path("file"))
            #expect(explanation(file, number) == "there is a file, not a socket")
            let itself = SocketAddress.unix(folder.path)
            #expect(explanation(itself, number) == "there is a folder, not a socket")
            #expect(explanation(.unix(folder.path("none")), number) == nil)
            #expect(explanation(.unix("\0name"), number) == nil)
            #expect(explanation(.loopback(port: 7), number) == nil)
        }
        let local = try #require(SocketAddress(numeric: "fe80::1", port: 7))
        #expect(explanation(local, EINVAL)?.hasSuffix(" write [fe80::1%INTERFACE]:7") == true)
        #expect(explanation(local, EADDRINUSE) == nil)
        #expect(explanation(.loopback6(port: 7), EINVAL) == nil)
    }

    @Test func `a host name may have 253 bytes`() throws {
        let longest = String(repeating: "a", count: 253)
        #expect(try Endpoint(parsing: longest + ":7") == .tcp(host: longest, port: 7))
        #expect(throws: Endpoint.ParseError.self) { try Endpoint(parsing: "a\(longest):7") }
    }

    @Test func `whatever the text, parsing ends and what it gives can be written and read`() {
        var isDebug = false
        assert({ isDebug = true }() == ())
        var fuzzer = Fuzzer(seed: .random(in: 0 ... .max))
        print("seed of the endpoint fuzzer: \(fuzzer.seed)")
        for _ in 0..<(isDebug ? 100_000 : 1_000_000) {
            let text = fuzzer.endpointText()
            guard let endpoint = try? Endpoint(parsing: text) else { continue }
            let printed = endpoint.description
            let again = try? Endpoint(parsing: printed)
            guard again == endpoint, again?.description == printed else {
                Issue.record("seed \(fuzzer.seed): \(text.debugDescription) became \(printed)")
                return
            }
        }
    }

    @Test func `localhost and the wildcard are IPv4 and IPv6, whatever the resolver says`() throws {
        let local = try Endpoint(parsing: "7").resolve()
        #expect(local == [.loopback(port: 7), .loopback6(port: 7)])
        let any = try Endpoint(parsing: "*:7").resolve()
        #expect(any.map(\.description) == ["0.0.0.0:7", "[::]:7"])
        #expect(any.allSatisfy { $0.isWildcard })
    }

    @Test func `numbers need no resolver, and names without an address are told`() throws {
        #expect(
            try Endpoint(parsing: "127.1.2.3:7").resolve().map(\.description) == ["127.1.2.3:7"]
        )
        #expect(try Endpoint(parsing: "[::2]:7").resolve().map(\.description) == ["[::2]:7"])
        #expect(try Endpoint(parsing: "unix:@a").resolve() == [.unix("\0a")])
        let error = #expect(throws: Endpoint.ResolutionError.self) {
            try Endpoint(parsing: "no-such-host.invalid:7").resolve()
        }
        #expect(error?.description.isEmpty == false)
    }
}

/// Texts that are nearly endpoints, the same for the same seed.
private struct Fuzzer {
    let seed: UInt64
    private var state: UInt64

    private static let pieces = [
        "unix:", "unix", ":", "::", "[", "]", "@", "%", "*", ".", "/", "0", "1", "80", "5150",
        "65535", "65536", "localhost", "127.0.0.1", "::1", "fe80::1", "%lo", "%1", "\0", " ", "-",
        "\u{301}", "\u{FE0F}", "\u{1F600}", "\r\n", "a", "\u{FF}", "+",
    ]

    init(seed: UInt64) {
        self.seed = seed
        state = seed
    }

    private mutating func next(below bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % bound
    }

    mutating func endpointText() -> String {
        var text = ""
        for _ in 0..<(1 + next(below: 8)) {
            if next(below: 8) > 0 {
                text += Self.pieces[next(below: Self.pieces.count)]
            } else if let scalar = Unicode.Scalar(UInt32(next(below: 0x11_0000))) {
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
