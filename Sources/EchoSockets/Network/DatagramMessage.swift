import Glibc

/// One message of a datagram socket: a datagram, or several of the same length and from the same
/// source that the kernel has joined (`UDP_GRO`, udp(7)); the last of these may be shorter.
///
/// Valid until its ``DatagramBatch`` receives again.
@safe
package struct DatagramMessage {
    /// Where it comes from; port 0 if the sender has none.
    package let source: InternetAddress
    /// The address that it was sent to, without a port; `nil` if the kernel did not say.
    package private(set) var destination: InternetAddress?
    /// Whether it was sent to a broadcast or multicast address.
    package private(set) var isToGroup = false
    /// Whether the buffer was too small for it, so that its end is missing.
    package let isTruncated: Bool
    /// All of its bytes.
    package let bytes: UnsafeRawBufferPointer
    /// How many datagrams it consists of, at least 1.
    package private(set) var count = 1

    // Where an answer leaves from, and by which interface if that is not up to the route.
    var local: InternetAddress?
    // The number of datagrams that the socket had lost for want of room, if it was told.
    var drops: UInt32?
    // Of all but the last.
    private(set) var length: Int

    init(source: InternetAddress, bytes: UnsafeRawBufferPointer, isTruncated: Bool) {
        self.source = source
        unsafe self.bytes = bytes
        self.isTruncated = isTruncated
        length = bytes.count
    }

    /// One of its datagrams.
    ///
    /// - Parameter index: from 0 to ``count`` - 1.
    /// - Returns: its bytes, in the message's.
    package func datagram(_ index: Int) -> UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(rebasing: bytes[range(index..<(index + 1))])
    }

    /// The bytes of some of its datagrams.
    package func byteCount(_ datagrams: Range<Int>) -> Int { range(datagrams).count }

    /// Where some of its datagrams lie.
    func range(_ datagrams: Range<Int>) -> Range<Int> {
        let end = unsafe min(datagrams.upperBound * length, bytes.count)
        return min(datagrams.lowerBound * length, end)..<end
    }
}

@available(*, unavailable)
extension DatagramMessage: Sendable {}

// Control data, cmsg(3): a length that includes these 16 bytes, a level, a type, and the data; each
// begins at a multiple of 8.
private let headerSize = 16

extension DatagramMessage {
    /// Reads the control data that came with it.
    mutating func read(_ control: UnsafeRawBufferPointer) {
        var offset = 0
        while offset + headerSize <= control.count {
            let size = unsafe control.load(fromByteOffset: offset, as: Int.self)
            guard size >= headerSize, offset + size <= control.count else { return }
            let level = unsafe control.load(fromByteOffset: offset + 8, as: CInt.self)
            let type = unsafe control.load(fromByteOffset: offset + 12, as: CInt.self)
            unsafe read(
                level,
                type,
                UnsafeRawBufferPointer(rebasing: control[(offset + headerSize)..<(offset + size)])
            )
            offset += (size + 7) & ~7
        }
    }

    private mutating func read(_ level: CInt, _ type: CInt, _ data: UnsafeRawBufferPointer) {
        switch (level, type) {
        case (CInt(IPPROTO_IP), DatagramOption.packetInformation4) where data.count >= 12:
            unsafe read4(data)
        case (CInt(IPPROTO_IPV6), DatagramOption.packetInformation6) where data.count >= 20:
            unsafe read6(data)
        case (SOL_SOCKET, DatagramOption.overflow) where data.count >= 4:
            drops = unsafe data.load(as: UInt32.self)
        case (CInt(IPPROTO_UDP), DatagramOption.coalescing) where data.count >= 4:
            let length = unsafe Int(data.load(as: CInt.self))
            guard unsafe length > 0 && length < bytes.count else { return }
            self.length = length
            count = unsafe (bytes.count + length - 1) / length
        default: break
        }
    }

    // struct in_pktinfo, ip(7): the interface, the local address, and the destination, which
    // differ if that is a broadcast or multicast address.
    private mutating func read4(_ data: UnsafeRawBufferPointer) {
        let own = unsafe UInt32(bigEndian: data.load(fromByteOffset: 4, as: UInt32.self))
        let asked = unsafe UInt32(bigEndian: data.load(fromByteOffset: 8, as: UInt32.self))
        let address = InternetAddress(ipv4: asked, port: 0)
        destination = address
        isToGroup = own != asked || address.isMulticast
        local = InternetAddress(ipv4: own, port: 0)
    }

    // struct in6_pktinfo, ipv6(7): the destination and the interface.
    private mutating func read6(_ data: UnsafeRawBufferPointer) {
        // Also said of IPv4, which is known better then.
        guard destination == nil else { return }
        let interface = unsafe data.load(fromByteOffset: 16, as: UInt32.self)
        let address = unsafe InternetAddress(reading: data, port: 0, scope: 0)
        destination = address
        isToGroup = address.isMulticast
        local = InternetAddress(
            high: address.high,
            low: address.low,
            port: 0,
            scope: address.isLinkLocal ? interface : 0
        )
    }
}

extension InternetAddress {
    /// From the kernel's `sockaddr_in` or `sockaddr_in6`.
    init(readingFrom name: UnsafeRawPointer) {
        let port = unsafe UInt16(bigEndian: name.load(fromByteOffset: 2, as: UInt16.self))
        guard unsafe CInt(name.load(as: sa_family_t.self)) == AF_INET6 else {
            let address = unsafe name.load(fromByteOffset: 4, as: UInt32.self)
            self.init(ipv4: UInt32(bigEndian: address), port: port)
            return
        }
        let scope = unsafe name.load(fromByteOffset: 24, as: UInt32.self)
        let address = unsafe UnsafeRawBufferPointer(start: name + 8, count: 16)
        unsafe self.init(reading: address, port: port, scope: scope)
    }

    /// From the 16 bytes of an IPv6 address.
    fileprivate init(reading bytes: UnsafeRawBufferPointer, port: UInt16, scope: UInt32) {
        self.init(
            high: unsafe UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
            low: unsafe UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
            port: port,
            scope: scope
        )
    }
}

/// Writes the control data of an answer.
@safe
struct DatagramControl {
    private let start: UnsafeMutableRawPointer
    /// Bytes written.
    private(set) var size = 0

    init(at start: UnsafeMutableRawPointer) {
        unsafe self.start = start
    }

    private mutating func begin(
        _ level: CInt,
        _ type: CInt,
        _ count: Int
    ) -> UnsafeMutableRawPointer {
        let entry = unsafe start + size
        unsafe entry.storeBytes(of: headerSize + count, as: Int.self)
        unsafe entry.storeBytes(of: level, toByteOffset: 8, as: CInt.self)
        unsafe entry.storeBytes(of: type, toByteOffset: 12, as: CInt.self)
        size += (headerSize + count + 7) & ~7
        return unsafe entry + headerSize
    }

    /// Where it is to leave from.
    ///
    /// - Parameters:
    ///   - local: an address of this machine.
    ///   - family: the socket's, by which an IPv4 address is written.
    mutating func append(source local: InternetAddress, _ family: CInt) {
        if family == AF_INET, let address = local.ipv4 {
            let data = unsafe begin(CInt(IPPROTO_IP), DatagramOption.packetInformation4, 12)
            unsafe data.storeBytes(of: 0, as: CInt.self)
            unsafe data.storeBytes(of: address.bigEndian, toByteOffset: 4, as: UInt32.self)
            unsafe data.storeBytes(of: 0, toByteOffset: 8, as: UInt32.self)
        } else {
            let data = unsafe begin(CInt(IPPROTO_IPV6), DatagramOption.packetInformation6, 20)
            unsafe data.storeBytes(of: local.high.bigEndian, as: UInt64.self)
            unsafe data.storeBytes(of: local.low.bigEndian, toByteOffset: 8, as: UInt64.self)
            unsafe data.storeBytes(of: local.scope, toByteOffset: 16, as: UInt32.self)
        }
    }

    /// That it consists of several datagrams of a length (`UDP_SEGMENT`, udp(7)).
    mutating func append(length: Int) {
        let data = unsafe begin(CInt(IPPROTO_UDP), DatagramOption.segmentation, 2)
        unsafe data.storeBytes(of: UInt16(truncatingIfNeeded: length), as: UInt16.self)
    }
}
