import ArgumentParser
import EchoServer
import EchoSockets

/// Converts the texts of flags into values.
///
/// Each failure says what was expected; the argument parser adds the flag and the text.
enum Parse {
    /// Where to listen.
    static func endpoint(_ text: String) throws -> EchoServer.Endpoint {
        EchoServer.Endpoint(try parsed(text))
    }

    /// Where to listen for connections.
    static func streamEndpoint(_ text: String) throws -> EchoServer.Endpoint {
        let endpoint = try parsed(text)
        guard !endpoint.isDatagram else {
            throw ValidationError("HTTP is not served over UDP: write HOST:PORT or unix:PATH")
        }
        return EchoServer.Endpoint(endpoint)
    }

    /// A server to connect to, or to send datagrams to.
    static func clientEndpoint(_ text: String) throws -> Endpoint {
        let port = text.hasPrefix("udp:") ? text.dropFirst(4) : text[...]
        if port.hasPrefix(":"), number(String(port.dropFirst())) != nil {
            throw ValidationError("the host is missing: write HOST\(port), or \(port.dropFirst())")
        }
        let endpoint = try parsed(text)
        switch endpoint {
        case .tcp(let host, let port), .udp(let host, let port):
            if port == 0 { throw ValidationError("no server listens on port 0") }
            if host == Endpoint.anyHost {
                throw ValidationError("\(host) stands for all addresses: name one of them")
            }
        case .unix: break
        }
        return endpoint
    }

    private static func parsed(_ text: String) throws -> Endpoint {
        do throws(Endpoint.ParseError) {
            return try Endpoint(parsing: text)
        } catch {
            throw ValidationError("\(error)")
        }
    }

    /// A value, or the word that means no value.
    static func either<Value: Sendable>(
        _ word: String,
        or parse: @escaping @Sendable (String) throws -> Value
    ) -> @Sendable (String) throws -> Switchable<Value> {
        { text in
            guard text != word else { return .off }
            do {
                return .on(try parse(text))
            } catch {
                throw ValidationError("\(error); or write \(word)")
            }
        }
    }

    /// The name of a file.
    static func path(_ text: String) throws -> String {
        guard !text.isEmpty else { throw ValidationError("it is empty: write the name of a file") }
        return text
    }

    /// One of several names.
    static func choice<Choice>(_ text: String) throws -> Choice
    where Choice: RawRepresentable<String> & CaseIterable {
        guard let choice = Choice(rawValue: text) else {
            let meant = Spelling.nearest(to: text, in: Choice.allCases.map(\.rawValue))
            let suggestion = meant.map { ": did you mean \($0)?" } ?? ""
            throw ValidationError("it must be \(list(Choice.self))\(suggestion)")
        }
        return choice
    }

    /// The completions for one of several names.
    static func completion<Choice>(_: Choice.Type) -> CompletionKind
    where Choice: RawRepresentable<String> & CaseIterable {
        .list(Choice.allCases.map(\.rawValue))
    }

    /// The names, as part of a sentence.
    static func list<Choice>(_: Choice.Type) -> String
    where Choice: RawRepresentable<String> & CaseIterable {
        let names = Choice.allCases.map(\.rawValue)
        return names.count < 2
            ? names.joined()
            : names.dropLast().joined(separator: ", ") + " or " + (names.last ?? "")
    }

    /// A whole number in a range.
    static func count(_ range: ClosedRange<Int>) -> @Sendable (String) throws -> Int {
        { text in
            guard let value = number(text), range.contains(value) else {
                throw ValidationError(
                    "it must be a number from \(range.lowerBound) to \(range.upperBound)"
                )
            }
            return value
        }
    }

    /// A span of time: a number with the unit us, ms, s, m or h.
    static func duration(_ text: String) throws -> Duration {
        guard let duration = optionalDuration(text) else {
            if optionalDuration(text + "s") != nil {
                throw ValidationError("the unit is missing: write \(text)s, or \(text)ms")
            }
            throw ValidationError(
                "it must be a number with the unit us, ms, s, m or h, such as 500ms or 5m, "
                    + "and no more than 876000h"
            )
        }
        return duration
    }

    /// A span of time greater than zero.
    static func positiveDuration(_ text: String) throws -> Duration {
        let duration = try duration(text)
        guard duration > .zero else {
            throw ValidationError("it must be more than zero, such as 1s")
        }
        return duration
    }

    /// How long a loop may poll.
    ///
    /// Zero needs no unit.
    static func busyPoll(_ text: String) throws -> Duration {
        let duration = text == "0" ? .zero : try duration(text)
        guard EchoServer.Configuration.busyPollRange.contains(duration) else {
            throw ValidationError("it must be from 0 to 1s, such as 50us")
        }
        return duration
    }

    private static let nanosecondsPerUnit: KeyValuePairs<String, Int> = [
        "us": 1000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000,
        "h": 3_600_000_000_000,
    ]

    private static func optionalDuration(_ text: String) -> Duration? {
        let unit = text.drop { $0.isASCII && ($0.isNumber || $0 == ".") }
        let digits = text[..<unit.startIndex]
        guard let scale = nanosecondsPerUnit.first(where: { $0.key == unit })?.value else {
            return nil
        }
        let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, let whole = number(String(parts[0])) else { return nil }
        let (nanoseconds, overflow) = whole.multipliedReportingOverflow(by: scale)
        guard !overflow, nanoseconds <= 3_153_600_000_000_000_000 else { return nil }
        guard parts.count == 2 else { return .nanoseconds(nanoseconds) }
        guard let fraction = number(String(parts[1])), parts[1].count <= 6 else { return nil }
        let denominator = (0..<parts[1].count).reduce(1) { product, _ in product * 10 }
        return .nanoseconds(nanoseconds + scale * fraction / denominator)
    }

    /// A number of bytes: a number, alone or with the unit B, KiB, MiB or GiB.
    static func size(_ range: ClosedRange<Int>) -> @Sendable (String) throws -> Int {
        { text in
            let bounds =
                "from \(Quantity.text(range.lowerBound)) to \(Quantity.text(range.upperBound))"
            guard let value = optionalSize(text) else {
                throw ValidationError(
                    correctedSize(text)
                        ?? "it must be a size \(bounds), such as 65536, 64KiB or 1MiB"
                )
            }
            guard range.contains(value) else {
                let hint = number(text) == nil ? "" : "; a number alone counts bytes"
                throw ValidationError("it must be \(bounds)\(hint)")
            }
            return value
        }
    }

    private static let bytesPerUnit: KeyValuePairs<String, Int> = [
        "": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
    ]

    private static func optionalSize(_ text: String) -> Int? {
        let unit = text.drop { $0.isASCII && $0.isNumber }
        guard let scale = bytesPerUnit.first(where: { $0.key == unit })?.value,
            let count = number(String(text[..<unit.startIndex]))
        else { return nil }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: scale)
        return overflow ? nil : bytes
    }

    // 64K, 64KB and 64kib are 64KiB.
    private static func correctedSize(_ text: String) -> String? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let unit = text[digits.endIndex...].lowercased()
        let units = ["k": "KiB", "m": "MiB", "g": "GiB"]
        guard !digits.isEmpty, let first = unit.first, let right = units[String(first)],
            ["", "b", "ib"].contains(unit.dropFirst())
        else { return nil }
        return "the units are B, KiB, MiB and GiB: write \(digits)\(right)"
    }

    // Digits only: no sign, no underscore, no other script's digits.
    static func number(_ text: String) -> Int? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return Int(text)
    }
}
