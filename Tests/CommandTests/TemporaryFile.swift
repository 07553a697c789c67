import Glibc

/// A file of a test's own, removed when nobody refers to it any more.
final class TemporaryFile: Sendable {
    let path = "/tmp/echo-settings-\(UInt64.random(in: 0 ... .max)).conf"

    init(_ text: String) throws {
        try write([UInt8](text.utf8))
    }

    func write(_ bytes: [UInt8]) throws {
        guard let file = unsafe fopen(path, "w") else { throw POSIXFailure() }
        defer { unsafe fclose(file) }
        _ = unsafe fwrite(bytes, 1, bytes.count, file)
    }

    deinit {
        unsafe unlink(path)
    }

    struct POSIXFailure: Error {}
}
