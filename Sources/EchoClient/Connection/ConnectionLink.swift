import EchoProactor
import EchoSockets
import Glibc

/// One connection of a task: carries out its calls, sends and receives each in their order.
///
/// Belongs to the loop's thread.
final class ConnectionLink: ChannelUser {
    private let loop: ClientLoop
    private let endpoint: Endpoint
    private let deadline: MonotonicTime
    private let opening: PendingCall<SocketAddress>
    private var addresses: [SocketAddress] = []
    private var connector: Connector<ConnectionLink>?
    private var channel: Channel<ConnectionLink>?
    private var openingTimer: EchoProactor.Operation?
    private var sends: [SendCall] = []
    private var receives: [ReceiveCall] = []
    private var early: [UInt8] = []
    private var endsSending = false
    private var hasEnded = false
    private var failure: CallFailure?

    /// A connection that waits for its addresses.
    init(
        _ loop: ClientLoop,
        _ endpoint: Endpoint,
        until deadline: MonotonicTime,
        _ call: PendingCall<SocketAddress>
    ) {
        self.loop = loop
        self.endpoint = endpoint
        self.deadline = deadline
        opening = call
        openingTimer = loop.at(deadline) { [weak self] in
            guard let self, addresses.isEmpty else { return }
            fail(.connect(ConnectError(endpoint, .timedOut)))
        }
    }

    // MARK: Opening and closing

    /// Connects to the first address that answers, now that they are known.
    func connect(_ found: Result<[SocketAddress], Endpoint.ResolutionError>) {
        guard failure == nil else { return }
        switch found {
        case .failure(let error):
            fail(.connect(ConnectError(endpoint, .resolution(error))))
        case .success(let addresses) where addresses.isEmpty:
            let nowhere = SystemError(call: "getaddrinfo", errno: Errno(rawValue: EADDRNOTAVAIL))
            fail(.connect(ConnectError(endpoint, nowhere)))
        case .success(let addresses):
            self.addresses = addresses
            let left = deadline - .now
            let connector = Connector(loop, endpoint, addresses, timeout: left, user: self) {
                [weak self] in self?.fail(.connect($0))
            }
            self.connector = connector
            connector.start()
        }
    }

    func channelOpened() {
        guard let connector else { return }
        let address = addresses[connector.place]
        channel = connector.opened()
        channel?.receiveLimit = 0
        self.connector = nil
        cancelOpeningTimer()
        opening.end(.success(address))
    }

    private func cancelOpeningTimer() {
        if let openingTimer { loop.loop.cancelWait(openingTimer) }
        openingTimer = nil
    }

    /// Closes the connection; calls that are under way fail.
    func close() {
        fail(.closed("the connection is closed"))
    }

    /// Closes the connection because of a failure: every call fails with it from now on.
    private func fail(_ failure: CallFailure) {
        guard self.failure == nil else { return }
        self.failure = failure
        cancelOpeningTimer()
        connector?.cancel()
        connector = nil
        if case .closed = failure { channel?.close() } else { channel?.close(byReset: true) }
        channel = nil
        opening.end(.failure(failure))
        let (sends, receives) = (sends, receives)
        (self.sends, self.receives) = ([], [])
        for call in sends { call.end(.failure(failure), loop) }
        for call in receives { call.fail(failure, loop) }
    }

    /// Ends the stream to the server, once what is to be sent has been.
    func endSending() {
        endsSending = true
        sendOut()
    }

    // MARK: Sending

    /// Sends, after what is to be sent before.
    func send(_ call: SendCall, within timeout: Duration?) {
        guard !call.isAbandoned else { return }
        if let failure { return call.end(.failure(failure), loop) }
        if endsSending {
            return call.end(.failure(.closed("the stream to the server has been ended")), loop)
        }
        call.timer = timer(timeout) { [weak call] link, failure in
            if link.sends.contains(where: { $0 === call }) { link.fail(failure) }
        }
        sends.append(call)
        if sends.count == 1 { sendOut() }
    }

    private func sendOut() {
        while let channel, !channel.isSending, let call = sends.first {
            if call.isDone {
                sends.removeFirst()
                call.end(.success(()), loop)
            } else if case .failed(let error) = unsafe call.withNextPart(channel.send) {
                fail(.lost(error))
            }
        }
        if endsSending, sends.isEmpty, channel?.isSending == false { channel?.endSending() }
    }

    func channelSent() {
        sendOut()
    }

    // MARK: Receiving

    /// Receives, after what is to be received before.
    func receive(_ call: ReceiveCall, within timeout: Duration?) {
        guard !call.isAbandoned else { return }
        if let failure { return call.fail(failure, loop) }
        call.timer = timer(timeout) { [weak call] link, failure in
            guard let call, link.receives.contains(where: { $0 === call }) else { return }
            if call.mayGo { link.giveUp(call, failure) } else { link.fail(failure) }
        }
        receives.append(call)
        guard receives.count == 1 else { return }
        let bytes = early
        early = []
        unsafe bytes.withUnsafeBytes { unsafe deliver($0) }
        if hasEnded { return endReceives() }
        if !receives.isEmpty { channel?.resume() }
    }

    func channelReceived(_ bytes: UnsafeRawBufferPointer) {
        unsafe deliver(bytes)
    }

    // What nobody waits for is kept: a receive was under way when its call was given up.
    private func deliver(_ bytes: UnsafeRawBufferPointer) {
        var rest = unsafe bytes
        while unsafe !rest.isEmpty, let call = receives.first {
            let part = unsafe UnsafeRawBufferPointer(rebasing: rest.prefix(call.room))
            if let failure = unsafe call.take(part) { return fail(failure) }
            if call.isDone {
                receives.removeFirst()
                // Given up at this moment, it has lost nothing: the next one takes that part.
                if !call.succeed(loop), call.mayGo { continue }
            }
            unsafe rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(part.count))
        }
        unsafe early.append(contentsOf: rest)
        channel?.receiveLimit = receives.first?.room ?? 0
    }

    func channelEnded() {
        hasEnded = true
        endReceives()
    }

    private func endReceives() {
        let calls = receives
        receives = []
        for call in calls { call.ended(loop) }
    }

    func channelFailed(_ error: SystemError) {
        if let connector {
            connector.failed(error)
        } else {
            fail(.lost(error))
        }
    }

    // MARK: Giving up

    /// A task has given a call up: what has been sent, or is to come back, would confuse the next.
    func cancel() {
        fail(.closed("a call on the connection has been cancelled"))
    }

    /// Tasks have given receives up, which loses no byte.
    func forgetAbandoned() {
        for call in receives where call.isAbandoned { giveUp(call, .cancelled) }
    }

    private func giveUp(_ call: ReceiveCall, _ failure: CallFailure) {
        receives.removeAll { $0 === call }
        call.fail(failure, loop)
    }

    // What has completed in the turn in which its time ends is not late, but may have a timer that
    // is due.
    private func timer(
        _ timeout: Duration?,
        _ end: @escaping (ConnectionLink, CallFailure) -> Void
    ) -> EchoProactor.Operation? {
        guard let timeout else { return nil }
        return loop.at(.now + timeout) { [weak self] in
            if let self { end(self, .late(timeout)) }
        }
    }
}
