import Glibc

/// An error number of the kernel, comparable with the constants of `errno(3)` (N-4).
package struct Errno: RawRepresentable, Hashable, Sendable {
    /// The number, as `errno` held it.
    package let rawValue: CInt

    /// Wraps an error number.
    package init(rawValue: CInt) {
        self.rawValue = rawValue
    }

    /// What a handle gives whose socket has been closed (`ENOTSOCK`, CO-1).
    package static var notASocket: Errno { Errno(rawValue: ENOTSOCK) }

    /// The calling thread's `errno`.
    ///
    /// Read it before anything else runs.
    package static var current: Errno {
        Errno(rawValue: errno)
    }

    /// Whether a call on a non-blocking descriptor found nothing to do (`EAGAIN`).
    package var isWouldBlock: Bool {
        rawValue == EAGAIN || rawValue == EWOULDBLOCK
    }
}

extension Errno: CustomStringConvertible {
    /// The kernel's own words, as `strerror(3)` gives them.
    package var description: String {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
            guard let base = buffer.baseAddress,
                unsafe strerror_r(rawValue, base, buffer.count) == 0
            else { return "error \(rawValue)" }
            return unsafe String(cString: base)
        }
    }
}

/// A failed system call: which one, and why.
package struct SystemError: Error, Sendable {
    /// The C function that failed.
    package let call: StaticString
    /// What it left in `errno`.
    package let errno: Errno
    /// What there is to say that the number does not.
    package let reason: String?

    /// Describes a failed call.
    package init(call: StaticString, errno: Errno, reason: String? = nil) {
        self.call = call
        self.errno = errno
        self.reason = reason
    }
}

extension SystemError: CustomStringConvertible {
    /// For example `bind: Address already in use`, or the reason alone if there is one.
    package var description: String {
        reason ?? "\(call): \(errno)"
    }
}
