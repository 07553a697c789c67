import CEchoLinux
package import EchoSockets
import Glibc

/// A folder that is removed, with the files in it, when nobody refers to it any more.
package final class TemporaryFolder: Sendable {
    /// Where it is.
    package let path: String

    /// Makes an empty folder.
    ///
    /// The corresponding C function is `mkdtemp`.
    package init() throws(SystemError) {
        var template = Array("/tmp/echo-test-XXXXXX".utf8CString)
        guard unsafe mkdtemp(&template) != nil else {
            throw SystemError(call: "mkdtemp", errno: .current)
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        Self.remove(path)
    }

    private static func remove(_ path: String) {
        // Not through a symbolic link.
        guard unsafe unlink(path) != 0, let listing = unsafe opendir(path) else { return }
        while let entry = unsafe readdir(listing) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { remove("\(path)/\(name)") }
        }
        unsafe closedir(listing)
        unsafe rmdir(path)
    }

    /// The path of a file in the folder.
    package func path(_ name: String) -> String {
        "\(path)/\(name)"
    }

    /// Writes a file, and makes the folders that it is in.
    ///
    /// - Parameters:
    ///   - text: what it is to hold.
    ///   - name: its path within the folder.
    /// - Throws: the error of `open` or `write`.
    package func write(_ text: String, to name: String) throws(SystemError) {
        var folder = path
        for part in name.split(separator: "/").dropLast() {
            folder += "/\(part)"
            unsafe _ = mkdir(folder, 0o755)
        }
        _ = try file(name, holding: Array(text.utf8))
    }

    /// Whether there is something of that name in the folder.
    package func contains(_ name: String) -> Bool {
        var status = stat()
        return unsafe lstat(path(name), &status) == 0
    }

    /// Makes a file.
    ///
    /// - Parameters:
    ///   - name: its name in the folder.
    ///   - bytes: what it is to hold.
    /// - Returns: the file, open for reading and writing, at its start.
    /// - Throws: the error of `open` or `write`.
    package func file(_ name: String, holding bytes: [UInt8]) throws(SystemError) -> Descriptor {
        let number = try systemCall("open") {
            unsafe open(path(name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        }
        let file = Descriptor(adopting: number)
        try writeAll(bytes, to: number)
        lseek(number, 0, SEEK_SET)
        return file
    }
}

/// How many bytes wait to be read from a pipe or socket (`FIONREAD`).
package func unreadBytes(_ number: CInt) -> Int {
    var count: CInt = 0
    return unsafe clinux_ioctl_int(number, clinux_FIONREAD(), &count) == 0 ? Int(count) : -1
}
