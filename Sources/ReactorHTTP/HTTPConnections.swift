import CLibeventHTTP
import Glibc
import Sockets

/// The open connections of an HTTP server, counted and aged.
///
/// `evhttp` itself bounds neither their number nor their age. It asks for the buffer of each new
/// connection, though; that is where they are counted. A reference keeps the buffer, so that it can
/// be asked later whether `evhttp` has freed it: its callbacks are gone then.
///
/// Confined to the loop's thread.
@safe
final class HTTPConnections {
    @safe
    private struct Entry {
        let buffer: OpaquePointer
        let end: MonotonicTime
    }

    private var entries: [Entry] = []
    private let limits: HTTPLimits

    init(_ limits: HTTPLimits) {
        self.limits = limits
    }

    deinit {
        forget()
    }

    /// Gives the references up; while the loop exists, and when `evhttp` does not any more.
    func forget() {
        for entry in entries { unsafe _ = bufferevent_decref(entry.buffer) }
        entries = []
    }

    /// How many there are, as far as is known: those that have ended count until ``sweep()``.
    var count: Int { entries.count }

    /// Whether there may be no more after the next one.
    var isNearlyFull: Bool { entries.count + 1 >= limits.connections }

    /// Whether there may be no more.
    var isFull: Bool { entries.count >= limits.connections }

    /// The buffer of a new connection.
    ///
    /// - Returns: `nil` if memory has run out.
    func open(on base: OpaquePointer?) -> OpaquePointer? {
        // Without BEV_OPT_CLOSE_ON_FREE: evhttp closes the socket itself then, and our reference
        // does not keep it open.
        guard let buffer = unsafe bufferevent_socket_new(base, -1, 0) else { return nil }
        unsafe bufferevent_incref(buffer)
        unsafe entries.append(Entry(buffer: buffer, end: .coarse + limits.lifetime))
        return unsafe buffer
    }

    /// Forgets those that have ended, and ends those that have lasted too long.
    func sweep() {
        let now = MonotonicTime.coarse
        entries.removeAll { entry in
            guard unsafe isFreed(entry.buffer) else {
                // evhttp sees the end of the stream, and frees it.
                if entry.end <= now {
                    unsafe _ = shutdown(bufferevent_getfd(entry.buffer), CInt(SHUT_RDWR))
                }
                return false
            }
            unsafe _ = bufferevent_decref(entry.buffer)
            return true
        }
    }

    private func isFreed(_ buffer: OpaquePointer) -> Bool {
        var onEvent: bufferevent_event_cb?
        unsafe bufferevent_getcb(buffer, nil, nil, &onEvent, nil)
        return unsafe onEvent == nil
    }
}
