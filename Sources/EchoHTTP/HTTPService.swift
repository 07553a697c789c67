import CLibeventHTTP
import EchoReactor
import EchoSockets
import Glibc

/// libevent's HTTP server (`evhttp`) on a loop.
///
/// One request per connection, `GET` and `HEAD` only. Confined to the loop's thread.
@safe
final class HTTPService {
    typealias Handler = @Sendable (_ path: String) -> HTTPReply

    private let loop: EventLoop
    private let http: OpaquePointer
    private let handler: Handler
    private let connections: HTTPConnections
    private let pending: PendingRequests
    private var listeners: [AcceptSwitch] = []
    private var timer: LoopTimer?
    private var deadline: LoopTimer?
    private var isPaused = false

    // How often connections are checked while there are any, and how long accepting pauses.
    private static let interval: Duration = .milliseconds(250)
    // How often while no more are allowed and others wait.
    private static let busyInterval: Duration = .milliseconds(10)
    // How soon after some were ended, which takes evhttp a turn of the loop.
    private static let moment: Duration = .milliseconds(1)

    /// Serves on listening sockets, which are duplicated.
    init(
        _ loop: EventLoop,
        _ numbers: [CInt],
        _ limits: HTTPLimits,
        _ handler: @escaping Handler
    ) throws {
        guard let http = unsafe evhttp_new(loop.basePointer) else { throw Self.noMemory }
        unsafe self.http = http
        self.loop = loop
        self.handler = handler
        connections = HTTPConnections(limits)
        pending = PendingRequests(loop.waker)
        unsafe evhttp_set_max_headers_size(http, limits.headerBytes)
        unsafe evhttp_set_max_body_size(http, limits.bodyBytes)
        unsafe evhttp_set_timeout(http, CInt(clamping: limits.silence.components.seconds))
        // All methods that it knows: those not served get 405 instead of evhttp's 501.
        unsafe evhttp_set_allowed_methods(http, UInt16(0x1FF))
        unsafe evhttp_set_default_content_type(http, nil)
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe evhttp_set_gencb(http, requested, context)
        unsafe evhttp_set_bevcb(http, opening, context)
        timer = try LoopTimer(on: loop) { [unowned self] in sweep() }
        deadline = try LoopTimer(on: loop) { [unowned self] in deliver() }
        for number in numbers { try listen(on: number) }
    }

    deinit {
        for listener in listeners { HTTPServices.remove(listener.identity) }
        timer = nil
        deadline = nil
        // Its connections as well, of which ``connections`` keeps only the shells.
        unsafe evhttp_free(http)
        // While the loop still exists: freeing a buffer's last reference uses it.
        connections.forget()
    }

    private static var noMemory: SystemError {
        SystemError(call: "evhttp_new", errno: Errno(rawValue: ENOMEM))
    }

    // evhttp closes the sockets that it is given.
    private func listen(on number: CInt) throws {
        let copy = Descriptor(
            adopting: try systemCall("fcntl") { fcntl(number, F_DUPFD_CLOEXEC, 0) }
        )
        guard let bound = unsafe evhttp_accept_socket_with_handle(http, copy.rawValue),
            let listener = unsafe evhttp_bound_socket_get_listener(bound)
        else { throw Self.noMemory }
        _ = copy.release()
        listeners.append(unsafe AcceptSwitch(listener: listener))
        HTTPServices.add(UInt(bitPattern: listener), self)
        unsafe evconnlistener_set_error_cb(listener, acceptingFailed)
    }

    // Without the pause it would retry at once, for as long as descriptors are lacking.
    fileprivate func pause() {
        guard !isPaused else { return }
        isPaused = true
        for listener in listeners { listener.turnOff() }
        scheduleSweep()
    }

    fileprivate func open(on base: OpaquePointer?) -> OpaquePointer? {
        // A buffer that evhttp has freed waits for its descriptor's number, which may be that of
        // the new connection, and would take bytes from it. Not after it: a new buffer looks like a
        // freed one until evhttp has it.
        connections.sweep()
        let buffer = unsafe connections.open(on: base)
        scheduleSweep()
        if connections.isFull {
            pause()
            scheduleSweep(after: Self.busyInterval)
        }
        return unsafe buffer
    }

    private func scheduleSweep() {
        if timer?.isScheduled == false { scheduleSweep(after: Self.interval) }
    }

    private func scheduleSweep(after delay: Duration) {
        // Fails only for lack of memory; the next connection retries.
        try? timer?.schedule(after: delay)
    }

    private func sweep() {
        connections.sweep()
        if isPaused, !connections.isFull {
            isPaused = false
            for listener in listeners { listener.turnOn() }
        }
        if isPaused, listeners.contains(where: { $0.hasQueue }) {
            let makesRoom = connections.makeRoom()
            scheduleSweep(after: makesRoom ? Self.moment : Self.busyInterval)
        } else if isPaused || connections.count > 0 {
            scheduleSweep()
        }
    }

    fileprivate func answer(_ request: OpaquePointer) {
        let connection = unsafe evhttp_request_get_connection(request)
        unsafe connections.complete(evhttp_connection_get_bufferevent(connection))
        let method = unsafe evhttp_request_get_command(request)
        guard method == EVHTTP_REQ_GET || method == EVHTTP_REQ_HEAD else {
            let refusal = HTTPResponse(status: 405, "only GET and HEAD are served here\n")
            unsafe send(refusal, ["Allow": "GET, HEAD"], to: request)
            return
        }
        let uri = unsafe evhttp_request_get_evhttp_uri(request)
        let path = unsafe evhttp_uri_get_path(uri)
        switch handler(unsafe path.map { unsafe String(cString: $0) } ?? "/") {
        case .now(let response): unsafe send(response, [:], to: request)
        case .later(let limit, let otherwise, let ask):
            ask(unsafe pending.add(request, within: limit, otherwise: otherwise))
            deliver()
        }
    }

    /// Sends the answers that have arrived, and the substitutes for those that have not.
    ///
    /// Called whenever the loop has been woken.
    func deliver() {
        for answered in pending.takeAnswered() {
            unsafe send(answered.response, [:], to: answered.request)
        }
        guard let end = pending.nextEnd else {
            deadline?.cancel()
            return
        }
        // Not early, by the loop's coarse clock. Fails only for lack of memory: the next request
        // retries.
        let left = max(end - .now, .zero) + Self.moment
        try? deadline?.schedule(after: left)
    }

    private func send(
        _ response: HTTPResponse,
        _ fields: [String: String],
        to request: OpaquePointer
    ) {
        let headers = unsafe evhttp_request_get_output_headers(request)
        // One request per connection: then an idle client cannot keep a place for long.
        let standard = ["Connection": "close", "Content-Type": response.contentType]
        for (name, value) in standard.merging(fields, uniquingKeysWith: { _, new in new }) {
            unsafe _ = evhttp_add_header(headers, name, value)
        }
        guard let buffer = unsafe evbuffer_new() else {
            unsafe evhttp_send_error(request, 503, nil)
            return
        }
        defer { unsafe evbuffer_free(buffer) }
        var body = response.body
        if unsafe evhttp_request_get_command(request) == EVHTTP_REQ_HEAD {
            // It would send the content. The length is that of the answer to GET, RFC 9110 9.3.2.
            unsafe _ = evhttp_add_header(headers, "Content-Length", "\(body.utf8.count)")
            body = ""
        }
        body.withUTF8 { bytes in unsafe _ = evbuffer_add(buffer, bytes.baseAddress, bytes.count) }
        // Without a reason phrase it writes the standard one.
        unsafe evhttp_send_reply(request, CInt(clamping: response.status), nil, buffer)
    }
}

/// Turns the accepting of one `evconnlistener` on and off.
@safe
private struct AcceptSwitch {
    let listener: OpaquePointer

    var identity: UInt { unsafe UInt(bitPattern: listener) }

    func turnOn() {
        unsafe _ = evconnlistener_enable(listener)
    }

    func turnOff() {
        unsafe _ = evconnlistener_disable(listener)
    }

    /// Whether a connection waits to be accepted.
    var hasQueue: Bool {
        var socket = pollfd(
            fd: unsafe evconnlistener_get_fd(listener),
            events: Int16(POLLIN),
            revents: 0
        )
        return unsafe poll(&socket, 1, 0) > 0
    }
}

/// The services by their listeners: libevent passes nothing else to the callback of a failed
/// accept.
private enum HTTPServices {
    private static let all = Locked<[UInt: UInt]>([:])

    static func add(_ listener: UInt, _ service: HTTPService) {
        let reference = unsafe UInt(bitPattern: Unmanaged.passUnretained(service).toOpaque())
        all.withLock { $0[listener] = reference }
    }

    static func remove(_ listener: UInt) {
        all.withLock { $0[listener] = nil }
    }

    static func service(of listener: UInt) -> HTTPService? {
        let bits = all.withLock { $0[listener] }
        guard let bits, let pointer = unsafe UnsafeMutableRawPointer(bitPattern: bits) else {
            return nil
        }
        return unsafe Unmanaged<HTTPService>.fromOpaque(pointer).takeUnretainedValue()
    }
}

private func requested(_ request: OpaquePointer?, _ context: UnsafeMutableRawPointer?) {
    guard let request = unsafe request, let context = unsafe context else { return }
    unsafe Unmanaged<HTTPService>.fromOpaque(context).takeUnretainedValue().answer(request)
}

private func opening(
    _ base: OpaquePointer?,
    _ context: UnsafeMutableRawPointer?
) -> OpaquePointer? {
    guard let context = unsafe context else { return nil }
    return unsafe Unmanaged<HTTPService>.fromOpaque(context).takeUnretainedValue().open(on: base)
}

private func acceptingFailed(_ listener: OpaquePointer?, _: UnsafeMutableRawPointer?) {
    guard let listener = unsafe listener else { return }
    HTTPServices.service(of: UInt(bitPattern: listener))?.pause()
}
