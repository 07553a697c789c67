import Glibc

/// A place to listen on or connect to, as a person writes it.
package enum Endpoint: Hashable, Sendable {
    /// A host name or numeric address, and a TCP port; port 0 lets the kernel choose.
    case tcp(host: String, port: UInt16)
    /// A host name or numeric address, and a UDP port; port 0 lets the kernel choose.
    case udp(host: String, port: UInt16)
    /// The path of a Unix socket; one that starts with NUL is an abstract name, unix(7).
    case unix(path: String)

    /// The host that stands for every address of the machine, IPv4 and IPv6.
    package static let anyHost = "*"

    /// Why a text is not an endpoint, phrased to follow the text without repeating it.
    package struct ParseError: Error, Hashable, Sendable, CustomStringConvertible {
        /// For example `the port is missing: write 127.0.0.1:PORT`.
        package let description: String
    }

    /// What an endpoint of UDP begins with.
    static let datagramScheme = "udp:"

    /// Parses `PORT`, `HOST:PORT`, `[V6]:PORT`, `*:PORT`, each of these after `udp:`, `unix:PATH`
    /// or `unix:@NAME`.
    ///
    /// A port alone means `localhost`.
    ///
    /// - Parameter text: the user's input.
    /// - Throws: ``ParseError``, which suggests what to write instead, where possible.
    package init(parsing text: String) throws(ParseError) {
        do throws(ParseError) {
            self = try Self.parse(text)
        } catch {
            throw ParseError(correcting: text) ?? error
        }
    }

    static func parse(_ text: String) throws(ParseError) -> Endpoint {
        if text.hasPrefix("unix:") {
            return .unix(path: try unixPath(String(text.dropFirst(5))))
        }
        if text.hasPrefix(datagramScheme) {
            let (host, port) = try place(String(text.dropFirst(datagramScheme.count)))
            return .udp(host: host, port: port)
        }
        let (host, port) = try place(text)
        return .tcp(host: host, port: port)
    }

    private static func place(_ text: String) throws(ParseError) -> (host: String, port: UInt16) {
        guard let colon = text.lastIndex(of: ":") else {
            return ("localhost", try port(text))
        }
        let port = try port(String(text[text.index(after: colon)...]))
        return (try host(String(text[..<colon])), port)
    }

    private static func port(_ text: String) throws(ParseError) -> UInt16 {
        guard !text.isEmpty, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
            let port = UInt16(text)
        else { throw ParseError(description: "the port is not a number from 0 to 65535") }
        return port
    }

    private static func host(_ text: String) throws(ParseError) -> String {
        if text.hasPrefix("[") || text.hasSuffix("]") {
            let inner = String(text.dropFirst().dropLast())
            guard text.hasPrefix("["), text.hasSuffix("]"),
                let address = SocketAddress(numeric: inner, port: 0), case .ipv6 = address
            else { throw ParseError(description: "there is no IPv6 address in the brackets") }
            guard !address.lacksInterface else {
                throw ParseError(description: "a link-local address needs its network interface")
            }
            return inner
        }
        if text.contains(":") {
            throw ParseError(description: "an IPv6 address is written in brackets: [::1]:PORT")
        }
        guard isHostName(text) || text == anyHost else {
            throw ParseError(description: "the host is neither a name nor an address")
        }
        return text
    }

    /// Whether a text consists only of characters of a host name or an IPv4 address.
    static func isHostName(_ text: String) -> Bool {
        let allowed = text.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true  // 0-9 A-Z a-z - . _
            default: false
            }
        }
        return allowed && !text.isEmpty && text.utf8.count <= 253
    }

    private static func unixPath(_ text: String) throws(ParseError) -> String {
        guard !text.isEmpty, text != "@" else { throw ParseError(description: "the path is empty") }
        guard !text.utf8.contains(0) else { throw ParseError(description: "the path contains NUL") }
        // It is written to files, a line each.
        guard !text.contains(where: \.isNewline) else {
            throw ParseError(description: "the path contains a line break")
        }
        guard text.utf8.count <= SocketAddress.maximumUnixPathLength else {
            throw ParseError(
                description: "the path is longer than \(SocketAddress.maximumUnixPathLength) bytes"
            )
        }
        return text.hasPrefix("@") ? "\0" + text.dropFirst() : text
    }
}

extension Endpoint: CustomStringConvertible {
    /// The endpoint's text form; parsing it gives the same endpoint.
    package var description: String {
        switch self {
        case .tcp(let host, let port): Self.text(host, port)
        case .udp(let host, let port): Self.datagramScheme + Self.text(host, port)
        case .unix(let path):
            SocketAddress.unix(path).description
        }
    }

    private static func text(_ host: String, _ port: UInt16) -> String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    // The host and the port of TCP or UDP.
    private var hostAndPort: (host: String, port: UInt16)? {
        switch self {
        case .tcp(let host, let port), .udp(let host, let port): (host, port)
        case .unix: nil
        }
    }

    /// Whether it is for datagrams: UDP.
    package var isDatagram: Bool {
        if case .udp = self { true } else { false }
    }
}

extension Endpoint {
    /// Why a host name has no address.
    ///
    /// The corresponding C function is `gai_strerror`.
    package struct ResolutionError: Error, Sendable, CustomStringConvertible {
        /// For example `Name or service not known`.
        package let description: String
    }

    /// Whether ``resolve()`` has to ask the resolver, which may take a long time.
    package var needsLookUp: Bool {
        guard let (host, port) = hostAndPort else { return false }
        return host != "localhost" && host != Self.anyHost
            && SocketAddress(numeric: host, port: port) == nil
    }

    /// The addresses an endpoint stands for, in order of preference.
    ///
    /// Blocks while a name is looked up. The corresponding C function is `getaddrinfo`.
    ///
    /// `localhost` is 127.0.0.1 and ::1 whatever the resolver says, and `*` is 0.0.0.0 and ::.
    package func resolve() throws(ResolutionError) -> [SocketAddress] {
        guard let (host, port) = hostAndPort else {
            guard case .unix(let path) = self else { return [] }
            return [.unix(path)]
        }
        if host == "localhost" { return [.loopback(port: port), .loopback6(port: port)] }
        if host == Self.anyHost {
            return [.ipv4(0, port: port), .ipv6(0, 0, port: port, scope: 0)]
        }
        if let address = SocketAddress(numeric: host, port: port) { return [address] }
        if let reason = ParseError.missingInterface(of: host) {
            throw ResolutionError(description: reason)
        }
        return try Self.lookUp(host).map { $0.with(port: port) }
    }

    private static func lookUp(_ host: String) throws(ResolutionError) -> [SocketAddress] {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = streamType
        var list: UnsafeMutablePointer<addrinfo>?
        let status = unsafe getaddrinfo(host, nil, &hints, &list)
        guard status == 0 else {
            throw ResolutionError(description: unsafe String(cString: gai_strerror(status)))
        }
        defer { unsafe freeaddrinfo(list) }
        var found: [SocketAddress] = []
        var entry = unsafe list
        while let current = unsafe entry {
            let info = unsafe current.pointee
            let address = unsafe SocketAddress.read { pointer, length in
                guard let source = unsafe info.ai_addr else { return -1 }
                unsafe memcpy(pointer, source, Int(info.ai_addrlen))
                unsafe length.pointee = info.ai_addrlen
                return 0
            }
            if let address, !found.contains(address) { found.append(address) }
            unsafe entry = info.ai_next
        }
        guard !found.isEmpty else { throw ResolutionError(description: "no usable address") }
        return found
    }
}
