import Glibc

/// A file in which the kernel tells something, proc(5) for example.
///
/// Any thread.
package enum KernelFile {
    /// What is in it.
    ///
    /// - Parameters:
    ///   - path: of the file.
    ///   - limit: bytes that it may have.
    /// - Returns: `nil` if it cannot be read, or has more.
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

    /// The same as text, whose lines hold nothing that somebody else has chosen.
    package static func text(_ path: String) -> String? {
        bytes(path).map { String(decoding: $0, as: UTF8.self) }
    }
}
