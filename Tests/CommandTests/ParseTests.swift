import EchoServer
import EchoTestSupport
import Testing

@testable import echo

/// The texts of flags.
@Suite(.timeLimit(.minutes(5)))
struct ParseTests {
    @Test(
        arguments: [
            ("0s", .zero), ("1us", .microseconds(1)), ("500ms", .milliseconds(500)),
            ("1s", .seconds(1)), ("1.5s", .milliseconds(1500)), ("0.000001s", .microseconds(1)),
            ("2.25m", .seconds(135)), ("5m", .seconds(300)), ("24h", .seconds(86_400)),
            ("0.001ms", .microseconds(1)), ("007s", .seconds(7)), ("0h", .zero),
            ("0.5us", .nanoseconds(500)), ("1.007us", .nanoseconds(1007)),
            ("1.000000s", .seconds(1)), ("0.1m", .seconds(6)),
            ("876000h", .seconds(3_153_600_000)), ("3153600000s", .seconds(3_153_600_000)),
        ] as [(String, Duration)]
    )
    func `durations`(_ text: String, _ expected: Duration) throws {
        #expect(try Parse.duration(text) == expected)
        // What is printed can be read again.
        #expect(try Parse.duration(Quantity.text(expected)) == expected)
    }

    @Test(arguments: [
        "", "s", "5", "-1s", "+1s", "1 s", " 1s", "1s ", "1S", "1sec", "1d", "1..5s", ".5s", "5.s",
        "1.0000001s", "1e3s", "٣s", "99999999999999999999s", "9999999999h", "1_000s", "0x10s",
        "1.5.5s", ".s", "1.s", "876001h", "1ms2s", "1 ms", "1m\n", "\u{0}1s", "1s\u{0}", "１s",
        "1µs",
        "inf", "nan", "1e3", "--", "1,5s",
    ])
    func `no durations`(_ text: String) {
        #expect(throws: (any Error).self) { try Parse.duration(text) }
    }

    @Test func `a positive duration is not zero`() throws {
        #expect(throws: (any Error).self) { try Parse.positiveDuration("0ms") }
        #expect(try Parse.positiveDuration("1us") == .microseconds(1))
    }

    @Test(arguments: [
        ("64", 64), ("65536", 65_536), ("64B", 64), ("64KiB", 65_536), ("1MiB", 1 << 20),
        ("1GiB", 1 << 30), ("0064", 64), ("1073741824B", 1 << 30), ("1048576KiB", 1 << 30),
        ("1024MiB", 1 << 30), ("00000000000000000000064", 64),
    ])
    func `sizes`(_ text: String, _ expected: Int) throws {
        #expect(try Parse.size(64...(1 << 30))(text) == expected)
    }

    @Test(arguments: [
        "", "B", "63", "2GiB", "1KB", "1kib", "-64", "64 KiB", "1.5KiB", "99999999999999999999",
        "9223372036854775807GiB", "٦٤", "0x40", "63B", "1073741825", "1025MiB", "1TiB", "64K",
        "64 B",
        "KiB", "64BB", "64\n", "\u{0}64", "+64", "1e2", "６４",
    ])
    func `no sizes`(_ text: String) {
        #expect(throws: (any Error).self) { try Parse.size(64...(1 << 30))(text) }
    }

    @Test func `counts`() throws {
        let count = Parse.count(1...100)
        for (text, value) in [("1", 1), ("100", 100), ("042", 42)] {
            #expect(try count(text) == value)
        }
        for text in ["", "0", "101", "-1", "+1", "1.0", "1 ", "x", "٣", "99999999999999999999"] {
            #expect(throws: (any Error).self, "\(text)") { try count(text) }
        }
    }

    @Test(arguments: [
        ("5150", "localhost:5150"), ("0", "localhost:0"), ("65535", "localhost:65535"),
        ("127.0.0.1:7", "127.0.0.1:7"), ("[::1]:7", "[::1]:7"), ("*:7", "*:7"),
        ("example.com:7", "example.com:7"), ("unix:/run/x", "unix:/run/x"),
        ("unix:relative", "unix:relative"), ("unix:@name", "unix:@name"),
    ])
    func `endpoints`(_ text: String, _ description: String) throws {
        #expect(try Parse.endpoint(text).description == description)
    }

    @Test func `whatever the text, a value in range or an error`() {
        var random = SeededGenerator(seed: 0xEC40)
        let alphabet = Array("0123456789..smhuKiBMG:[]*-+@unix/ \u{0}é٣\n")
        var parsed = 0
        for _ in 0..<100_000 {
            let length = Int.random(in: 0...12, using: &random)
            let text = String(
                (0..<length).map { _ in alphabet.randomElement(using: &random) ?? "0" }
            )
            if let duration = try? Parse.duration(text) {
                parsed += 1
                #expect(duration >= .zero)
            }
            if let size = try? Parse.size(64...4096)(text) {
                parsed += 1
                #expect((64...4096).contains(size))
            }
            if let count = try? Parse.count(3...5000)(text) {
                parsed += 1
                #expect((3...5000).contains(count))
            }
            if let endpoint = try? Parse.endpoint(text) {
                parsed += 1
                // What is printed is what was meant.
                #expect((try? Parse.endpoint(endpoint.description)) == endpoint, "\(text)")
            }
        }
        #expect(parsed > 1000)
    }
}
