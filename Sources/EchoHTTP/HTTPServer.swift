import EchoReactor
package import EchoSockets
import Glibc
import Synchronization

/// A small HTTP server, libevent's within limits, on its own loop and thread.
///
/// For a handful of short texts, such as metrics and health. Answers `GET` and `HEAD`, one request
/// per connection. It uses no CPU while there are no requests, nor when descriptors run out. Any
/// thread.
package final class HTTPServer: Sendable {
    /// The addresses that the server listens on, with ports resolved.
    package let addresses: [SocketAddress]
    /// Addresses that this machine does not have, while it has others.
    package let missing: [BindError]
    private let thread: Thread
    private let shared: Shared

    /// Opens the addresses and serves until ``stop()``.
    ///
    /// - Parameters:
    ///   - wanted: where to listen; those with port 0 share one port, which the kernel chooses.
    ///   - access: who may connect to a Unix socket.
    ///   - limits: the limits for clients.
    ///   - handler: answers a request, given its path. It runs on the server's thread, so it must
    ///     be quick; anything slow is answered later.
    /// - Throws: ``BindError`` that says which address cannot be listened on.
    package init(
        listeningOn wanted: [SocketAddress],
        access: SocketFileAccess = SocketFileAccess(),
        limits: HTTPLimits = HTTPLimits(),
        handler: @escaping @Sendable (_ path: String) -> HTTPReply
    ) throws(BindError) {
        let listening = try Listener.open(wanted, access: access) { HTTPListener($0) }
        let listeners = listening.opened
        addresses = listeners.map(\.address)
        missing = listening.missing
        shared = Shared()
        do {
            let ready = try Wakeup()
            thread = try Thread(name: "http") { [shared] in
                shared.run(listeners, limits, handler, ready)
            }
            while shared.outcome == nil { ready.wait(atMost: .seconds(1)) }
        } catch {
            throw BindError(address: wanted.first ?? .unix(""), error: error)
        }
        if case .failure(let error) = shared.outcome {
            thread.join()
            throw BindError(address: wanted.first ?? .unix(""), error: error)
        }
    }

    /// Ends the server and its connections; waits until it has ended.
    ///
    /// Call it once, and not from the handler.
    package func stop() {
        shared.stop()
        thread.join()
    }
}

/// What the server's thread and other threads share.
private final class Shared: Sendable {
    private let isStopping = Atomic<Bool>(false)
    private let state = Locked<Result<LoopWaker, SystemError>?>(nil)

    /// Whether it serves; `nil` while that is unknown.
    var outcome: Result<LoopWaker, SystemError>? { state.withLock { $0 } }

    func stop() {
        isStopping.store(true, ordering: .releasing)
        if case .success(let waker) = outcome { waker.wake() }
    }

    func run(
        _ listeners: [HTTPListener],
        _ limits: HTTPLimits,
        _ handler: @escaping HTTPService.Handler,
        _ ready: Wakeup
    ) {
        blockBrokenPipe()
        do {
            let loop = try EventLoop()
            let service = try HTTPService(loop, listeners.map(\.number), limits, handler)
            loop.onWake = { [unowned service] in service.deliver() }
            let waker = loop.waker
            state.withLock { $0 = .success(waker) }
            ready.signal()
            withExtendedLifetime((service, listeners)) {
                while !isStopping.load(ordering: .acquiring) { loop.turn(waitingAtMost: nil) }
            }
        } catch {
            let reason = Self.systemError(error)
            state.withLock { $0 = .failure(reason) }
            ready.signal()
        }
    }

    // libevent writes without MSG_NOSIGNAL, even to clients that are gone.
    private func blockBrokenPipe() {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        unsafe sigaddset(&set, SIGPIPE)
        unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    private static func systemError(_ error: any Error) -> SystemError {
        switch error {
        case let error as SystemError: error
        default: SystemError(call: "evhttp_new", errno: Errno(rawValue: EIO))
        }
    }
}
