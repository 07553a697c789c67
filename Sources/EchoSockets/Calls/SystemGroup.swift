import Glibc

/// The system's user groups.
package enum SystemGroup {
    /// The number of a group; a text of digits stands for itself.
    ///
    /// Blocks while the name is looked up. The corresponding C function is `getgrnam_r`.
    ///
    /// - Returns: `nil` if there is no such group.
    package static func number(of name: String) -> UInt32? {
        if !name.isEmpty, name.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            // The highest number means "leave it" to chown(2).
            return UInt32(name).flatMap { $0 == .max ? nil : $0 }
        }
        var entry = unsafe group()
        var found: UnsafeMutablePointer<group>?
        var size = 1024
        while size <= 1 << 20 {
            let status = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: size) {
                buffer -> CInt in
                guard let start = buffer.baseAddress else { return ENOMEM }
                return unsafe getgrnam_r(name, &entry, start, size, &found)
            }
            guard status == ERANGE else {
                return unsafe status == 0 && found != nil ? entry.gr_gid : nil
            }
            size *= 4
        }
        return nil
    }
}
