package import CLinux
import Glibc
package import Sockets

/// Bounds the descriptors that a running process may have from now on (`RLIMIT_NOFILE`, prlimit(2));
/// those that it has it keeps.
///
/// - Parameters:
///   - pid: the process.
///   - count: the number below which all new descriptors must be.
/// - Returns: the bound until now.
/// - Throws: `SystemError`, for example `EPERM` above what may be had.
@discardableResult
package func limitDescriptors(of pid: pid_t, to count: Int) throws(SystemError) -> Int {
    var old = rlimit()
    let resource = __rlimit_resource(RLIMIT_NOFILE.rawValue)
    try systemCall("prlimit") { unsafe prlimit(pid, resource, nil, &old) }
    var new = rlimit(rlim_cur: rlim_t(clamping: count), rlim_max: old.rlim_max)
    try systemCall("prlimit") { unsafe prlimit(pid, resource, &new, nil) }
    return Int(clamping: old.rlim_cur)
}
