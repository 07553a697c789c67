import EchoSockets
import Glibc

/// What the process uses, as Prometheus' client libraries report it.
///
/// Read from `/proc` through descriptors that are opened once, so it works when descriptors have
/// run out. Without `/proc` there are no such figures. Any thread.
final class ProcessStatus: Sendable {
    /// When the process started, in seconds since 1970: the time of the first access, which is the
    /// first thing that the program does.
    static let startTime: Double = {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec / 1_000_000) / 1000
    }()

    private let memory: Descriptor?
    private let folder: Locked<Folder?>

    /// The status of this process.
    init() {
        memory = Self.open("/proc/self/statm")
        folder = Locked(Folder("/proc/self/fd"))
    }

    /// Resident memory in bytes; `nil` if unknown.
    var residentBytes: Int? { memoryPages(1) }

    /// Virtual memory in bytes; `nil` if unknown.
    var virtualBytes: Int? { memoryPages(0) }

    /// The number of open descriptors; `nil` if unknown.
    var openDescriptorCount: Int? {
        folder.withLock { folder in
            switch folder {
            case .some(let open): open.count
            case .none: nil
            }
        }
    }

    // proc(5): size, resident, and others.
    private func memoryPages(_ field: Int) -> Int? {
        var text = [UInt8](repeating: 0, count: 256)
        let number: CInt
        switch memory {
        case .some(let open): number = open.rawValue
        case .none: return nil
        }
        let count = unsafe pread(number, &text, text.count, 0)
        guard count > 0 else { return nil }
        let fields = String(decoding: text[..<count], as: UTF8.self).split(separator: " ")
        guard field < fields.count, let pages = Int(fields[field]) else { return nil }
        return pages * Int(sysconf(CInt(_SC_PAGESIZE)))
    }

    private static func open(_ path: String) -> Descriptor? {
        let number = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
        return number < 0 ? nil : Descriptor(adopting: number)
    }
}

/// An open folder, for counting its entries.
@safe
private struct Folder: ~Copyable {
    private let stream: OpaquePointer

    init?(_ path: String) {
        guard let stream = unsafe opendir(path) else { return nil }
        unsafe self.stream = stream
    }

    deinit {
        unsafe _ = closedir(stream)
    }

    /// The current number of entries.
    var count: Int {
        unsafe rewinddir(stream)
        var count = 0
        while let entry = unsafe readdir(stream) {
            // All but "." and "..".
            if unsafe entry.pointee.d_type != UInt8(DT_DIR) { count += 1 }
        }
        return count
    }
}
