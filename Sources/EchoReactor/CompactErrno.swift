import EchoSockets

/// An error number or none, in two bytes: there are two for each of many thousand sockets.
struct CompactErrno {
    // Linux's numbers end at 4095 (MAX_ERRNO).
    private let rawValue: Int16

    init(_ errno: Errno? = nil) {
        rawValue = errno.map { Int16(truncatingIfNeeded: $0.rawValue) } ?? 0
    }

    var errno: Errno? { rawValue == 0 ? nil : Errno(rawValue: CInt(rawValue)) }
}
