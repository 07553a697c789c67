package import Glibc

// The only place that turns an address into the kernel's `sockaddr` and back.
extension SocketAddress {
    /// The longest path of a Unix socket, in bytes: `sun_path` less its terminating NUL, unix(7).
    package static let maximumUnixPathLength = 107

    /// Calls `body` with the address as the kernel takes it.
    ///
    /// A Unix path longer than ``maximumUnixPathLength`` is cut; check it where it comes in.
    package func withSockaddr<Result>(
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        var storage = sockaddr_storage()
        let length = unsafe withUnsafeMutableBytes(of: &storage) { unsafe write(into: $0) }
        return unsafe withUnsafePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(length))
            }
        }
    }

    private func write(into bytes: UnsafeMutableRawBufferPointer) -> Int {
        switch self {
        case .ipv4(let address, let port):
            var value = sockaddr_in()
            value.sin_family = sa_family_t(AF_INET)
            value.sin_port = port.bigEndian
            value.sin_addr.s_addr = address.bigEndian
            unsafe bytes.storeBytes(of: value, as: sockaddr_in.self)
            return MemoryLayout<sockaddr_in>.size
        case .ipv6(let high, let low, let port, let scope):
            var value = sockaddr_in6()
            value.sin6_family = sa_family_t(AF_INET6)
            value.sin6_port = port.bigEndian
            value.sin6_addr = Self.in6(high, low)
            value.sin6_scope_id = scope
            unsafe bytes.storeBytes(of: value, as: sockaddr_in6.self)
            return MemoryLayout<sockaddr_in6>.size
        case .unix(let path):
            unsafe bytes.storeBytes(of: sa_family_t(AF_UNIX), as: sa_family_t.self)
            let text = path.utf8.prefix(Self.maximumUnixPathLength)
            unsafe UnsafeMutableRawBufferPointer(rebasing: bytes.dropFirst(2)).copyBytes(from: text)
            // An abstract name has no terminator: its length is the address's length. No path at
            // all is no name, unix(7).
            return 2 + text.count + (path.utf8.first ?? 0 == 0 ? 0 : 1)
        }
    }

    /// Calls `body` with storage for an address, and reads what it stored.
    package static func read(
        _ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt
    ) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, &length)
            }
        }
        guard status >= 0 else { return nil }
        return unsafe withUnsafeBytes(of: &storage) {
            unsafe SocketAddress(UnsafeRawBufferPointer(rebasing: $0.prefix(Int(length))))
        }
    }

    private init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= 2 else {
            self = .unix("")
            return
        }
        switch unsafe CInt(bytes.load(as: sa_family_t.self)) {
        case AF_INET where bytes.count >= MemoryLayout<sockaddr_in>.size:
            let value = unsafe bytes.load(as: sockaddr_in.self)
            self = .ipv4(
                UInt32(bigEndian: value.sin_addr.s_addr),
                port: UInt16(bigEndian: value.sin_port)
            )
        case AF_INET6 where bytes.count >= MemoryLayout<sockaddr_in6>.size:
            let value = unsafe bytes.load(as: sockaddr_in6.self)
            let (high, low) = Self.halves(value.sin6_addr)
            self = .ipv6(
                high,
                low,
                port: UInt16(bigEndian: value.sin6_port),
                scope: value.sin6_scope_id
            )
        case AF_UNIX:
            var path = unsafe bytes.dropFirst(2)
            if unsafe path.first != 0, let end = unsafe path.firstIndex(of: 0) {
                unsafe path = path[..<end]
            }
            self = .unix(unsafe String(decoding: path, as: UTF8.self))
        default:
            return nil
        }
    }

    static func halves(_ address: in6_addr) -> (UInt64, UInt64) {
        unsafe withUnsafeBytes(of: address) { bytes in
            unsafe (
                UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
    }

    static func in6(_ high: UInt64, _ low: UInt64) -> in6_addr {
        var address = in6_addr()
        unsafe withUnsafeMutableBytes(of: &address) { bytes in
            unsafe bytes.storeBytes(of: high.bigEndian, as: UInt64.self)
            unsafe bytes.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        return address
    }
}
