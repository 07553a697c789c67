import Glibc

/// Finds what the package builds beside the running tests.
package enum BuiltProduct {
    /// The path of a product, in the folder that the running tests were built into: whichever
    /// configuration, sanitizer or scratch path that is.
    ///
    /// - Parameter name: the product's name, such as `echo`.
    /// - Returns: its absolute path.
    /// - Throws: ``NotFound`` if there is no such program.
    package static func path(named name: String) throws(NotFound) -> String {
        var folder = executablePath
        // An .xctest bundle that is a folder holds the program further down.
        while let slash = folder.lastIndex(of: "/") {
            folder = String(folder[..<slash])
            let candidate = "\(folder)/\(name)"
            if unsafe access(candidate, X_OK) == 0, !isFolder(candidate) { return candidate }
            if folder.hasSuffix("/debug") || folder.hasSuffix("/release") { break }
        }
        throw NotFound(description: "no program \(name) beside \(executablePath)")
    }

    /// The path of the running tests' program.
    package static var executablePath: String {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX) + 1) {
            buffer in
            guard let base = buffer.baseAddress else { return "" }
            let count = unsafe readlink("/proc/self/exe", base, Int(PATH_MAX))
            guard count > 0 else { return "" }
            unsafe buffer[count] = 0
            return unsafe String(cString: base)
        }
    }

    /// There is no such product.
    package struct NotFound: Error, CustomStringConvertible {
        /// What was looked for, and where.
        package let description: String
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}
