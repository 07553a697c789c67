import EchoProactor
import EchoSockets
import Glibc

/// An attempt to connect to the first of several addresses that answers.
///
/// Until it is over, its user passes on to it what its channel says: ``opened()`` and
/// ``failed(_:)``. Belongs to the loop's thread.
final class Connector<User: ChannelUser> {
    /// How long connecting took so far, failed addresses included.
    var duration: Duration { MonotonicTime.now - begun }
    /// Which of the addresses is tried.
    var place: Int { (first + tried) % addresses.count }

    private let loop: ClientLoop
    private let endpoint: Endpoint
    private let addresses: [SocketAddress]
    private let first: Int
    private let begun = MonotonicTime.now
    private let deadline: MonotonicTime
    private let onFailure: (ConnectError) -> Void
    private unowned let user: User
    private var channel: Channel<User>?
    private var tried = 0
    private var failure: ConnectError?
    private var timer: EchoProactor.Operation?

    /// An attempt that has not begun.
    ///
    /// - Parameters:
    ///   - loop: whose thread it belongs to.
    ///   - endpoint: named in errors.
    ///   - addresses: the endpoint's, at least one.
    ///   - first: the address to try first.
    ///   - timeout: for all addresses together; each gets an equal share of the rest.
    ///   - user: of the channel.
    ///   - onFailure: called when no address answers, with the error that says most about the
    ///     server; possibly within ``start()``.
    init(
        _ loop: ClientLoop,
        _ endpoint: Endpoint,
        _ addresses: [SocketAddress],
        first: Int = 0,
        timeout: Duration,
        user: User,
        onFailure: @escaping (ConnectError) -> Void
    ) {
        self.loop = loop
        self.endpoint = endpoint
        self.addresses = addresses
        self.first = first
        self.user = user
        self.onFailure = onFailure
        deadline = begun + timeout
    }

    /// Begins.
    func start() {
        let channel = Channel(loop.loop, user: user)
        self.channel = channel
        switch channel.connect(to: addresses[place]) {
        case .started:
            let now = MonotonicTime.now
            let share = (deadline - now) / max(1, addresses.count - tried)
            timer = loop.at(now + share) { [weak self] in self?.giveUp() }
        case .queueFull:
            // Nothing tells when the queue of a Unix socket is not full any more.
            channel.close()
            let soon = MonotonicTime.now + .milliseconds(5)
            timer = loop.at(soon) { [weak self] in self?.tryAgain() }
        case .failed(let error): failed(error)
        }
    }

    private func tryAgain() {
        if .now < deadline { start() } else { giveUp() }
    }

    private func giveUp() {
        failed(SystemError(call: "connect", errno: Errno(rawValue: ETIMEDOUT)))
    }

    /// The address does not answer: tries the next, or fails.
    func failed(_ error: SystemError) {
        cancel()
        let attempt = ConnectError(endpoint, error, at: addresses[place])
        if attempt.weight > failure?.weight ?? -1 { failure = attempt }
        tried += 1
        if tried < addresses.count { start() } else { onFailure(failure ?? attempt) }
    }

    /// The connection is established: it is over.
    ///
    /// - Returns: the channel.
    func opened() -> Channel<User>? {
        defer { channel = nil }
        cancelTimer()
        return channel
    }

    /// Gives up; nobody is told.
    func cancel() {
        cancelTimer()
        channel?.close()
        channel = nil
    }

    private func cancelTimer() {
        if let timer { loop.loop.cancelWait(timer) }
        timer = nil
    }
}
