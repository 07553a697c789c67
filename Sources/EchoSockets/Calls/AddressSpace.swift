import CEchoLinux
import Glibc

/// The address space of the process, where it is limited (`RLIMIT_AS`, getrlimit(2); `ulimit -v`,
/// `prlimit --as`, `LimitAS=`).
///
/// Swift ends the process when it cannot allocate memory, so callers check first what they are
/// going to need. Any thread.
package struct AddressSpace: Sendable {
    /// Whether there is a limit.
    package let isLimited: Bool

    /// The address space of this process; the limit is read now.
    package init() {
        var limit = rlimit()
        let status = unsafe getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
        isLimited = status == 0 && limit.rlim_cur != rlim_t.max
    }

    /// Whether that many more bytes can be allocated now; always true without a limit.
    ///
    /// Two system calls if there is one. The corresponding C function is `mmap`.
    package func hasRoom(for byteCount: Int) -> Bool {
        guard isLimited else { return true }
        let flags = CInt(MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)
        let start = unsafe mmap(nil, max(1, byteCount), PROT_READ | PROT_WRITE, flags, -1, 0)
        guard let start = unsafe start, unsafe start != MAP_FAILED else { return false }
        unsafe munmap(start, max(1, byteCount))
        return true
    }

    /// Makes all threads allocate from one arena if there is a limit: otherwise the C library
    /// reserves 64 MiB of it for each of the first threads (`M_ARENA_MAX`, mallopt(3)).
    package func share() {
        if isLimited { _ = mallopt(CInt(M_ARENA_MAX), 1) }
    }
}
