import CLibevent
import EchoSockets
import Glibc

/// How libevent asks the kernel which descriptors are ready.
package enum LoopMethod: String, CaseIterable, Sendable {
    /// The best available; never ``select``.
    case automatic
    /// `epoll(7)`.
    case epoll
    /// `poll(2)`.
    case poll
    /// `select(2)`: descriptors from 1024 on are refused.
    case select

    var avoided: [String] {
        switch self {
        case .automatic: ["select"]
        case .epoll: ["poll", "select"]
        case .poll: ["epoll", "select"]
        case .select: ["epoll", "poll"]
        }
    }
}

/// Owns one libevent base.
@safe
final class EventBase {
    let pointer: OpaquePointer
    let method: String

    // Whether descriptors from 1024 on must be refused.
    private let isSelect: Bool

    /// The number of values an `fd_set` has room for (`FD_SETSIZE`).
    static let selectLimit: CInt = 1024

    // Without locks: a base belongs to one thread, and other threads reach it through a LoopWaker.
    // Without the environment: variables such as EVENT_NOEPOLL must not select the method.
    init(_ method: LoopMethod) throws(SystemError) {
        Self.quiet
        try Self.probeDescriptors(for: method)
        guard let configuration = unsafe event_config_new() else {
            throw SystemError(call: "event_config_new", errno: Errno(rawValue: ENOMEM))
        }
        defer { unsafe event_config_free(configuration) }
        let flags = EVENT_BASE_FLAG_NOLOCK.rawValue | EVENT_BASE_FLAG_IGNORE_ENV.rawValue
        unsafe event_config_set_flag(configuration, CInt(flags))
        for avoided in method.avoided {
            unsafe event_config_avoid_method(configuration, avoided)
        }
        guard let base = unsafe event_base_new_with_config(configuration) else {
            throw Self.unavailable(method)
        }
        unsafe pointer = base
        self.method = unsafe String(cString: event_base_get_method(base))
        isSelect = method == .select
        guard method == .automatic || self.method == method.rawValue else {
            throw Self.unavailable(method)
        }
    }

    deinit {
        unsafe event_base_free(pointer)
    }

    private static func unavailable(_ method: LoopMethod) -> SystemError {
        SystemError(
            call: "event_base_new_with_config",
            errno: Errno(rawValue: ENOSYS),
            reason: "libevent's method \"\(method.rawValue)\" is not available"
        )
    }

    /// Refuses a descriptor whose number is too large for `select(2)`, if that is the method:
    /// libevent would abort the process (PF-1), so it never sees one.
    func admit(_ descriptor: CInt) throws(SystemError) {
        if isSelect { try Self.checkFitsSelect(descriptor) }
    }

    private static func checkFitsSelect(_ descriptor: CInt) throws(SystemError) {
        guard descriptor >= selectLimit else { return }
        throw SystemError(
            call: "select",
            errno: Errno(rawValue: EMFILE),
            reason: "descriptor \(descriptor) is beyond what select(2) can watch (0 to 1023)"
        )
    }

    // Every failure is returned, and the caller reports it; libevent would also write it to
    // standard error, in its own format. Messages before it ends the process must still appear.
    private static let quiet: Void = unsafe event_set_log_callback { severity, message in
        guard severity >= EVENT_LOG_ERR, let message = unsafe message else { return }
        _ = unsafe write(STDERR_FILENO, message, strlen(message))
        _ = unsafe write(STDERR_FILENO, "\n", 1)
    }

    // libevent ends the process (exit(1)) when it cannot open its internal descriptors, and aborts
    // it when select(2) meets a large one. So this opens as many beforehand, and closes them again.
    private static func probeDescriptors(for method: LoopMethod) throws(SystemError) {
        let (first, second, third) = (try Wakeup(), try Wakeup(), try Wakeup())
        if method == .select {
            try checkFitsSelect(max(first.number, second.number, third.number))
        }
    }
}
