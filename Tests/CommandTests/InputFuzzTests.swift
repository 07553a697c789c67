import ArgumentParser
import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

@testable import echo

/// Whatever is written where a value is expected: a value in its range, or one line that says what
/// is wrong, and never a crash.
@Suite(.timeLimit(.minutes(5)))
struct InputFuzzTests {
    /// How many texts: `ECHO_FUZZ_INPUTS`, or as many as take seconds in this build.
    private static var inputCount: Int {
        if let count = EnduranceTests.number("ECHO_FUZZ_INPUTS") { return count }
        var isDebug = false
        assert({ isDebug = true }() == ())
        return isSanitized ? 5000 : isDebug ? 30_000 : 1_000_000
    }

    @Test func `no text crashes a parser, and what is parsed means what is printed`() async {
        let seed =
            EnduranceTests.number("ECHO_SEED").map { UInt64(truncatingIfNeeded: $0) }
            ?? .random(in: 0 ... .max)
        let count = Self.inputCount
        print("input fuzzer: \(count) texts, ECHO_SEED=\(seed)")
        let start = MonotonicTime.now
        var texts = TextMutator(seed: seed)
        var parsed = 0
        for index in 0..<count {
            let text = texts.next()
            if let fault = Self.check(text, &parsed) ?? Self.checkCommand(text, index) {
                Issue.record("ECHO_SEED=\(seed), text \(index), \(text.debugDescription): \(fault)")
                return
            }
        }
        #expect(parsed > count / 50, "too few of the texts are values")
        print("input fuzzer: \(parsed) values, \(MonotonicTime.now - start)")
    }

    private static func check(_ text: String, _ parsed: inout Int) -> String? {
        do throws(EchoSockets.Endpoint.ParseError) {
            let endpoint = try EchoSockets.Endpoint(parsing: text)
            parsed += 1
            if let fault = check(endpoint) { return fault }
        } catch {
            if let fault = checkFailure(text) { return fault }
        }
        if let duration = try? Parse.duration(text) {
            parsed += 1
            let nanoseconds = duration.nanoseconds
            guard duration >= .zero, duration <= .seconds(3_153_600_001) else {
                return "duration \(duration)"
            }
            let again = try? Parse.duration("\(nanoseconds / 1000).\(nanoseconds % 1000)us")
            if nanoseconds % 1000 == 0, again != duration { return "duration \(duration)" }
        }
        if let size = try? Parse.size(64...(1 << 30))(text) {
            parsed += 1
            guard (64...(1 << 30)).contains(size), (try? Parse.size(0 ... .max)("\(size)B")) == size
            else { return "size \(size)" }
        }
        if let number = try? Parse.count(1...1024)(text) {
            parsed += 1
            guard (1...1024).contains(number), Int(text) == number else { return "count \(number)" }
        }
        if let model: EchoServer.IOModel = try? Parse.choice(text), model.rawValue != text {
            return "model \(model)"
        }
        return nil
    }

    private static func checkFailure(_ text: String) -> String? {
        do {
            let endpoint = try EchoServer.Endpoint(parsing: text)
            return "\(endpoint) after all"
        } catch {
            let message = "\(error)"
            guard message.names(text.escapedForLog) else { return "not named: \(message)" }
            return oneLine(message)
        }
    }

    private static func check(_ endpoint: EchoSockets.Endpoint) -> String? {
        let printed = endpoint.description
        guard (try? EchoSockets.Endpoint(parsing: printed)) == endpoint else {
            return "printed as \(printed.debugDescription), which is another"
        }
        if case .unix(let path) = endpoint {
            guard !path.isEmpty, path.utf8.count <= 107, !path.utf8.dropFirst().contains(0) else {
                return "path \(path.debugDescription)"
            }
        }
        if case .tcp(let host, _) = endpoint, host.isEmpty || host.utf8.count > 253 {
            return "host \(host.debugDescription)"
        }
        return nil
    }

    // The whole command line takes far longer than one value: one in five hundred.
    private static func checkCommand(_ text: String, _ index: Int) -> String? {
        guard index % 500 == 0 else { return nil }
        let flag = flags[index / 500 % flags.count]
        do {
            _ = try Echo.parseAsRoot(["serve", "\(flag)=\(text)"])
            return nil
        } catch {
            let message = Exit.message(for: error, of: Echo.self)
            guard Exit.code(for: error, of: Echo.self) == Exit.usage else {
                return "code \(Exit.code(for: error, of: Echo.self))"
            }
            guard message.names(flag) else { return "\(flag) is not named: \(message)" }
            return oneLine(message)
        }
    }

    private static func oneLine(_ message: String) -> String? {
        let isClean = message.unicodeScalars.allSatisfy {
            $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value)
        }
        return isClean && !message.isEmpty ? nil : "message \(message.debugDescription)"
    }

    private static let flags = UsageTests.badFlags.map(\.flag).reduce(into: [String]()) {
        if $0.last != $1 { $0.append($1) }
    }
}

extension String {
    /// Whether it contains a text, even if a character that follows changes how that looks.
    fileprivate func names(_ text: String) -> Bool {
        text.isEmpty || Array(utf8).contains(Array(text.utf8))
    }
}

/// Texts that are values, nearly values, or anything: from a corpus by a few random changes.
///
/// The same for the same seed.
private struct TextMutator {
    private var state: UInt64

    private static let corpus = [
        "5150", "0", "65535", "65536", "localhost:7", "127.0.0.1:5150", "example.org.:80", "*:7",
        "[::1]:7", "[::]:0", "[fe80::1%lo]:7", "[fe80::1%4294967295]:7", "[::ffff:1.2.3.4]:9",
        "unix:/run/echo.sock", "unix:@name", "unix:" + String(repeating: "a", count: 107), "500ms",
        "1.5s", "0.000001s", "100us", "5m", "24h", "876000h", "64", "64KiB", "1MiB", "1GiB",
        "9223372036854775807", "18446744073709551616", "1023.999999m", "select", "completion-port",
        "proactor", "reject", "info", "json", "",
    ].map { Array($0.utf8) }

    private static let pieces = [
        "0", "9", "00000000", "99999999", ".", ":", "[", "]", "%", "@", "-", "+", "_", "us", "ms",
        "s", "h", "KiB", "GiB", "unix:", "*", "\0", "\n", "\r\n", " ", "\u{1B}[2J", "\u{85}",
        "\u{301}", "\u{664}", "\u{202E}", "\u{1F600}", "\u{FFFD}", "=", "'", "\"", "\\",
    ].map { Array($0.utf8) }

    init(seed: UInt64) {
        state = seed
    }

    private mutating func random(below bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return Int((word ^ word >> 31) >> 1) % bound
    }

    mutating func next() -> String {
        var bytes = Self.corpus[random(below: Self.corpus.count)]
        for _ in 0..<random(below: 5) { change(&bytes) }
        return String(decoding: bytes, as: UTF8.self)
    }

    private mutating func change(_ bytes: inout [UInt8]) {
        let place = random(below: bytes.count + 1)
        switch random(below: 6) {
        case 0: bytes.insert(UInt8(random(below: 256)), at: place)
        case 1: bytes.insert(contentsOf: Self.pieces[random(below: Self.pieces.count)], at: place)
        case 2: bytes.removeSubrange(place..<min(bytes.count, place + 1 + random(below: 3)))
        case 3: bytes.append(contentsOf: bytes[place...])
        case 4:
            let other = Self.corpus[random(below: Self.corpus.count)]
            bytes = Array(bytes[..<place] + other[random(below: other.count + 1)...])
        default:
            if place < bytes.count { bytes[place] ^= 1 << random(below: 8) }
        }
    }
}
