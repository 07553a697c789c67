import Glibc

/// A file that the kernel generates, such as those of proc(5).
///
/// Any thread.
package enum KernelFile {
    /// Its contents.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - limit: the most bytes it may have.
    /// - Returns: `nil` if the file cannot be read or is larger.
    package static func bytes(_ path: String, upTo limit: Int = 1 << 20) -> [UInt8]? {
        let number = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { return nil }
        let file = Descriptor(adopting: number)
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        while bytes.count <= limit {
            let count = transferCall { unsafe read(file.rawValue, &buffer, buffer.count) }
            guard count > 0 else { return count == 0 ? bytes : nil }
            bytes += buffer[..<count]
        }
        return nil
    }

    /// The same as text; its lines contain nothing that another party can choose.
    package static func text(_ path: String) -> String? {
        bytes(path).map { String(decoding: $0, as: UTF8.self) }
    }
}
