import Glibc

/// What `fcntl(2)` says of an open descriptor.
///
///     #expect(DescriptorFlags(of: socket.number) == [.open, .closeOnExec, .nonBlocking])
package struct DescriptorFlags: OptionSet, Sendable, CustomStringConvertible {
    /// The bits.
    package let rawValue: UInt8

    /// A set from its bits.
    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// It is open.
    package static let open = DescriptorFlags(rawValue: 1)
    /// It is closed by `execve(2)`.
    package static let closeOnExec = DescriptorFlags(rawValue: 2)
    /// Its calls do not wait.
    package static let nonBlocking = DescriptorFlags(rawValue: 4)

    /// Asks the kernel; the empty set if the number is not that of an open descriptor.
    package init(of number: CInt) {
        self = []
        let flags = fcntl(number, F_GETFD)
        guard flags >= 0 else { return }
        insert(.open)
        if flags & FD_CLOEXEC != 0 { insert(.closeOnExec) }
        if fcntl(number, F_GETFL) & O_NONBLOCK != 0 { insert(.nonBlocking) }
    }

    /// What is in the set, for a failed expectation.
    package var description: String {
        let names = [
            (Self.open, "open"), (.closeOnExec, "close-on-exec"), (.nonBlocking, "non-blocking"),
        ]
        return "[\(names.filter { contains($0.0) }.map(\.1).joined(separator: ", "))]"
    }
}
