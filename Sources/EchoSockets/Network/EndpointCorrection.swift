import Glibc

extension Endpoint.ParseError {
    /// What to write instead of a text that is not an endpoint; `nil` if there is no suggestion.
    ///
    /// - Parameter text: the user's input.
    init?(correcting text: String) {
        guard !text.hasPrefix("unix:") else { return nil }
        let correction =
            text.hasPrefix(Endpoint.datagramScheme)
            ? Self.datagram(text)
            : Self.emptiness(text) ?? Self.scheme(text) ?? Self.path(text)
                ?? Self.place(text, after: "")
        guard let correction else { return nil }
        description = correction
    }

    private static func emptiness(_ text: String) -> String? {
        text.isEmpty
            ? "it is empty: write PORT, HOST:PORT, [IPv6]:PORT, udp:HOST:PORT or unix:PATH" : nil
    }

    // What follows `udp:` is written as for TCP.
    private static func datagram(_ text: String) -> String? {
        let rest = String(text.dropFirst(Endpoint.datagramScheme.count))
        if rest.isEmpty { return "the port is missing: write udp:HOST:PORT" }
        if rest.hasPrefix("//") { return datagramScheme(of: rest.drop { $0 == "/" }) }
        if rest.contains("/") || rest.hasPrefix("@") || rest.hasPrefix("unix:") {
            return "UDP has no paths: write udp:HOST:PORT"
        }
        return place(rest, after: Endpoint.datagramScheme)
    }

    // `udp://host:7`, `UDP:host:7`, `udp4:host:7`.
    private static func datagramScheme(of rest: Substring) -> String {
        let rest = rest.prefix { $0 != "/" }
        if (try? Endpoint.parse("udp:" + rest)) != nil {
            return "an endpoint of UDP has no slashes: write udp:\(rest)"
        }
        return "an endpoint of UDP is written udp:HOST:PORT"
    }

    private static func place(_ text: String, after scheme: String) -> String? {
        brackets(text, scheme) ?? missingPart(text, scheme)
    }

    // `http://host:80/path`, `tcp:host:7`.
    private static func scheme(_ text: String) -> String? {
        var rest: Substring
        if let colon = text.firstIndex(of: ":"),
            ["udp", "udp4", "udp6", "dgram"].contains(text[..<colon].lowercased())
        {
            rest = text[text.index(after: colon)...]
            if rest.hasPrefix("//") { return datagramScheme(of: rest.drop { $0 == "/" }) }
            return (try? Endpoint.parse("udp:" + rest)) == nil
                ? "an endpoint of UDP is written udp:HOST:PORT"
                : "an endpoint of UDP is written udp:\(rest)"
        }
        if let range = text.firstRange(of: "://") {
            rest = text[range.upperBound...]
        } else if let colon = text.firstIndex(of: ":"),
            ["tcp", "tcp4", "tcp6", "inet"].contains(text[..<colon].lowercased())
        {
            rest = text[text.index(after: colon)...]
        } else {
            return nil
        }
        if rest.hasPrefix("/") { return "an endpoint has no scheme: write unix:\(rest)" }
        rest = rest.prefix { $0 != "/" }
        if (try? Endpoint.parse(String(rest))) != nil {
            return "an endpoint has no scheme: write \(rest)"
        }
        return Endpoint.isHostName(String(rest)) || isBracketed(rest)
            ? "an endpoint has a port and no scheme: write \(rest):PORT"
            : "an endpoint has no scheme: write HOST:PORT"
    }

    // `/run/echo.sock`, `UNIX:/run/echo.sock`, `@name`.
    private static func path(_ text: String) -> String? {
        if text.hasPrefix("@") { return "an abstract Unix socket is written unix:\(text)" }
        guard text.contains("/") else { return nil }
        if text.hasPrefix("/") || text.hasPrefix(".") || text.hasPrefix("~") || !text.contains(":")
        {
            return "a Unix socket is written unix:\(text)"
        }
        guard let range = text.firstRange(of: ":/") else { return nil }
        return "a Unix socket is written unix:\(text[range.lowerBound...].dropFirst())"
    }

    private static func isBracketed(_ text: Substring) -> Bool {
        guard text.hasPrefix("["), text.hasSuffix("]") else { return false }
        let inner = String(text.dropFirst().dropLast())
        guard case .ipv6? = SocketAddress(numeric: inner, port: 0) else { return false }
        return true
    }

    // IPv6 addresses without brackets, and other mistakes in them.
    private static func brackets(_ text: String, _ scheme: String) -> String? {
        guard text.hasPrefix("[") || text.contains("::") || text.count(where: { $0 == ":" }) > 6
        else { return nil }
        if let address = SocketAddress(numeric: text, port: 0), case .ipv6 = address {
            if let (host, port) = split(text), case .ipv6? = SocketAddress(numeric: host, port: 0) {
                return "an IPv6 address is written in brackets: \(scheme)[\(host)]:\(port)"
            }
            let zone = address.lacksInterface ? "%INTERFACE" : ""
            return "an IPv6 address is written in brackets, before the port: "
                + "\(scheme)[\(text)\(zone)]:PORT"
        }
        guard text.hasPrefix("["), let end = text.lastIndex(of: "]") else { return nil }
        let inner = String(text[..<end].dropFirst())
        let port = text[end...].dropFirst()
        switch SocketAddress(numeric: inner, port: 0) {
        case .ipv4?: return "an IPv4 address has no brackets: write \(scheme)\(inner)\(port)"
        case .ipv6? where port.isEmpty || port == ":":
            return "the port is missing: write \(scheme)[\(inner)]:PORT"
        case let address? where address.lacksInterface:
            return "a link-local address needs its network interface: "
                + "write \(scheme)[\(inner)%INTERFACE]\(port)"
        case nil: return missingInterface(of: inner)
        default: return nil
        }
    }

    /// The complaint that an IPv6 address names a network interface that does not exist; `nil` if
    /// it does not.
    static func missingInterface(of host: String) -> String? {
        let parts = host.split(separator: "%", maxSplits: 1)
        guard parts.count == 2, case .ipv6? = SocketAddress(numeric: String(parts[0]), port: 0)
        else { return nil }
        guard SocketAddress(numeric: host, port: 0) == nil else { return nil }
        return "there is no network interface \(parts[1]): \"ip link\" lists them"
    }

    // A host without a port, or a port without a host.
    private static func missingPart(_ text: String, _ scheme: String) -> String? {
        if let (host, port) = split(text) {
            if port.isEmpty, Endpoint.isHostName(host) || host == Endpoint.anyHost {
                return "the port is missing: write \(scheme)\(host):PORT"
            }
            if host.isEmpty, (try? Endpoint.parse(port)) != nil {
                return "the host is missing: write \(scheme)*:\(port) for every address, "
                    + "or \(scheme)\(port) for localhost"
            }
            return nil
        }
        let isHost =
            Endpoint.isHostName(text)
            && (text.first?.isLetter == true || SocketAddress(numeric: text, port: 0) != nil)
        return isHost || text == Endpoint.anyHost
            ? "the port is missing: write \(scheme)\(text):PORT" : nil
    }

    private static func split(_ text: String) -> (host: String, port: String)? {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        return (String(text[..<colon]), String(text[text.index(after: colon)...]))
    }
}
