import CEchoLinux
import Glibc

/// What the kernel said has changed.
package struct RouteChange: OptionSet, Sendable {
    /// The bits.
    package let rawValue: UInt8

    /// A set from its bits.
    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// An address was added to or removed from an interface.
    package static let addresses = RouteChange(rawValue: 1)
    /// A route was added, changed or removed.
    package static let routes = RouteChange(rawValue: 2)
}

/// A socket on which the kernel reports changed addresses and routes (rtnetlink(7)).
///
/// Needs no privilege.
package struct RouteSocket: ~Copyable, Sendable {
    private let descriptor: Descriptor

    /// Subscribes to changes of IPv4 and IPv6 addresses and routes.
    package init() throws(SystemError) {
        let type = CInt(SOCK_RAW.rawValue) | closeOnExecFlag | nonBlockingFlag
        let descriptor = Descriptor(
            adopting: try systemCall("socket") { socket(AF_NETLINK, type, NETLINK_ROUTE) }
        )
        var address = sockaddr_nl()
        address.nl_family = sa_family_t(AF_NETLINK)
        address.nl_groups = UInt32(
            RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE
        )
        let number = descriptor.rawValue
        try systemCall("bind") {
            unsafe withUnsafePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe bind(number, $0, socklen_t(MemoryLayout<sockaddr_nl>.size))
                }
            }
        }
        self.descriptor = descriptor
    }

    /// The descriptor to watch for readability.
    package var number: CInt { descriptor.rawValue }

    /// Reads all queued messages and says what changed.
    ///
    /// An overrun (`ENOBUFS`) counts as every change: messages were lost.
    package func takeChanges() -> RouteChange {
        var changes: RouteChange = []
        unsafe withUnsafeTemporaryAllocation(byteCount: 16 * 1024, alignment: 16) { buffer in
            while true {
                let count = transferCall {
                    unsafe recv(number, buffer.baseAddress, buffer.count, 0)
                }
                if count == -Int(ENOBUFS) {
                    changes = [.addresses, .routes]
                    continue
                }
                if count <= 0 { return }
                unsafe changes.formUnion(
                    Self.parse(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                )
            }
        }
        return changes
    }

    private static func parse(_ messages: UnsafeRawBufferPointer) -> RouteChange {
        var changes: RouteChange = []
        var offset = 0
        while offset + MemoryLayout<nlmsghdr>.size <= messages.count {
            let header = unsafe messages.load(fromByteOffset: offset, as: nlmsghdr.self)
            switch Int(header.nlmsg_type) {
            case RTM_NEWADDR, RTM_DELADDR: changes.insert(.addresses)
            case RTM_NEWROUTE, RTM_DELROUTE: changes.insert(.routes)
            default: break
            }
            guard header.nlmsg_len >= MemoryLayout<nlmsghdr>.size else { break }
            offset += (Int(header.nlmsg_len) + 3) & ~3
        }
        return changes
    }
}
