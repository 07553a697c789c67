import Glibc

/// The limit of open descriptors (`RLIMIT_NOFILE`, getrlimit(2)).
enum DescriptorLimit {
    /// Raises the soft limit to the hard one.
    ///
    /// The soft one, usually 1024, protects programs that use `select` and would write beyond the
    /// end of an `fd_set` (N-1). Here the model of that name refuses larger descriptors itself, and
    /// nothing else calls `select`. The command starts no other program that could inherit the
    /// limit.
    static func raise() {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard unsafe getrlimit(resource, &limit) == 0, limit.rlim_cur < limit.rlim_max else {
            return
        }
        limit.rlim_cur = limit.rlim_max
        // If that fails, the limit is unchanged.
        _ = unsafe setrlimit(resource, &limit)
    }
}
