import CEchoLinux
package import EchoSockets
import Glibc

/// Bounds the descriptors that a running process may have from now on (`RLIMIT_NOFILE`,
/// prlimit(2)); those that it has it keeps.
///
/// - Parameters:
///   - pid: the process.
///   - count: the number below which all new descriptors must be.
/// - Returns: the bound until now.
/// - Throws: `SystemError`, for example `EPERM` above what may be had.
@discardableResult
package func limitDescriptors(of pid: CInt, to count: Int) throws(SystemError) -> Int {
    var limit = clinux_rlimit()
    let resource = CInt(RLIMIT_NOFILE.rawValue)
    try systemCall("prlimit") { unsafe clinux_prlimit(pid, resource, nil, &limit) }
    let old = Int(clamping: limit.current)
    limit.current = UInt64(clamping: count)
    try systemCall("prlimit") { unsafe clinux_prlimit(pid, resource, &limit, nil) }
    return old
}
