import CLibeventHTTP
import EchoSockets
import Glibc

/// The open connections of an HTTP server, counted and aged.
///
/// `evhttp` itself bounds neither their number nor their age. It requests a buffer for each new
/// connection, though, and this is where they are counted. A reference keeps the buffer, which
/// shows later whether `evhttp` has freed it: its callbacks are then gone.
///
/// Clients that send a request slowly, or none, must not keep others away (CVE-2007-6750 and
/// similar): when others wait, the oldest of them are closed.
///
/// Confined to the loop's thread.
@safe
final class HTTPConnections {
    @safe
    private struct Entry {
        let buffer: OpaquePointer
        let start: MonotonicTime
        /// Whether its request has been read as a whole.
        var isComplete = false
    }

    private var entries: [Entry] = []
    private let limits: HTTPLimits

    init(_ limits: HTTPLimits) {
        self.limits = limits
    }

    deinit {
        forget()
    }

    /// Releases the references; the loop must still exist, and `evhttp` must not.
    func forget() {
        for entry in entries { unsafe _ = bufferevent_decref(entry.buffer) }
        entries = []
    }

    /// The known number of connections: those that have ended count until ``sweep()``.
    var count: Int { entries.count }

    /// Whether no further connection is allowed.
    var isFull: Bool { entries.count >= limits.connections }

    /// The buffer of a new connection.
    ///
    /// - Returns: `nil` if memory has run out.
    func open(on base: OpaquePointer?) -> OpaquePointer? {
        // Without BEV_OPT_CLOSE_ON_FREE: evhttp closes the socket itself then, and our reference
        // does not keep it open.
        guard let buffer = unsafe bufferevent_socket_new(base, -1, 0) else { return nil }
        unsafe bufferevent_incref(buffer)
        unsafe entries.append(Entry(buffer: buffer, start: .coarse))
        return unsafe buffer
    }

    /// Notes that a connection's request is complete: it will be answered, so the connection stays.
    func complete(_ buffer: OpaquePointer?) {
        guard let index = entries.lastIndex(where: { unsafe $0.buffer == buffer }) else {
            return
        }
        entries[index].isComplete = true
    }

    /// Ends the oldest connections with incomplete requests, at most a quarter of all, but none
    /// that has had no time to send one.
    ///
    /// - Returns: whether some are about to end: evhttp notices in the next turn of the loop.
    func makeRoom() -> Bool {
        let now = MonotonicTime.coarse
        let oldest = entries.indices.filter { index in
            !entries[index].isComplete && entries[index].start + limits.grace <= now
        }
        for index in oldest.prefix(max(1, limits.connections / 4)) { end(index) }
        return !oldest.isEmpty
    }

    // evhttp sees the end of the stream, and frees it.
    private func end(_ index: Int) {
        unsafe _ = shutdown(bufferevent_getfd(entries[index].buffer), CInt(SHUT_RDWR))
    }

    /// Forgets connections that have ended, and ends those that have lasted too long.
    func sweep() {
        entries.removeAll { entry in
            guard unsafe isFreed(entry.buffer) else { return false }
            unsafe _ = bufferevent_decref(entry.buffer)
            return true
        }
        let now = MonotonicTime.coarse
        for index in entries.indices where entries[index].start + limits.lifetime <= now {
            end(index)
        }
    }

    private func isFreed(_ buffer: OpaquePointer) -> Bool {
        var onEvent: bufferevent_event_cb?
        unsafe bufferevent_getcb(buffer, nil, nil, &onEvent, nil)
        return unsafe onEvent == nil
    }
}
