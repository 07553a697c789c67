import Glibc

/// Says on standard error what the tests wait for, where that takes long: a set-up that many share.
///
/// - Parameter text: what begins, such as `starting a service manager`.
package func announce(_ text: String) {
    let line = Array("    \(text) ...\n".utf8)
    _ = unsafe write(STDERR_FILENO, line, line.count)
}
