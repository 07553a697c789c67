package import EchoSockets
package import EchoWinsock
import Glibc

/// A listening socket whose `accept` event can be selected.
package final class NetworkListener: SelectableSocket {
    private var listener: Listener?
    private var watch: Watch?
    private var isWatching = false

    /// Adopts a listening socket.
    ///
    /// - Parameters:
    ///   - loop: the loop whose thread this is.
    ///   - listener: the socket; closed with this object.
    ///   - handle: its name in messages.
    /// - Throws: `EMFILE` if the loop's method is `select` and the number too large (PF-1).
    package init(
        _ loop: EventLoop,
        adopting listener: consuming Listener,
        as handle: SocketHandle = .none
    ) throws(SystemError) {
        let number = listener.number
        self.listener = consume listener
        super.init(loop, handle)
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        watch = unsafe try Watch(
            loop.base,
            descriptor: number,
            .read,
            persistent: true,
            context: context,
            callback: connectionQueued
        )
    }

    deinit {
        releaseResources()
    }

    /// The address it listens on; `nil` once closed.
    package var localAddress: SocketAddress? { listener?.address }

    /// Whether a connection is queued.
    package var hasQueue: Bool { listener?.hasQueue ?? false }

    /// Accepts the first queued connection and re-enables the event.
    ///
    /// The corresponding functions are `accept` and `WSAAccept`.
    ///
    /// If descriptors or memory have run out, the connection stays queued and the event stays
    /// disabled, as after a deferral (SEL-10): otherwise it would be reported over and over (PF-3).
    /// Call again when some may be available.
    ///
    /// - Returns: the result; `.failed` with `ENOTSOCK` once closed (CO-1).
    package func accept() -> AcceptOutcome {
        guard let outcome = listener?.accept() else { return .failed(.notASocket) }
        switch outcome {
        case .exhausted: break
        case .failed: break
        default: enableAccept()
        }
        return outcome
    }

    /// Re-enables the event without accepting, if a connection is queued.
    ///
    /// ``isWatched`` says whether that was possible.
    package func enableAccept() {
        silenced.remove(.accept)
        try? selectionChanged()
    }

    /// Whether the event will be reported, or will be enabled by a call; `false` if the kernel has
    /// refused to watch the socket again: then call ``enableAccept()`` later.
    package var isWatched: Bool { isWatching || silenced.contains(.accept) || isClosed }

    /// Makes an accepted connection a socket of the same loop that inherits the selection, whose
    /// events start at once (AS-10).
    ///
    /// - Throws: what the kernel refused.
    package func inheritor(
        adopting socket: consuming Socket,
        as handle: SocketHandle = .none
    ) throws(SystemError) -> NetworkSocket {
        let accepted = try NetworkSocket(loop, adopting: socket, as: handle)
        try accepted.inheritSelection(from: self)
        return accepted
    }

    override func selectionChanged() throws(SystemError) {
        let wanted = selection.contains(.accept)
        if wanted && !isWatching {
            try watch?.add()
        } else if !wanted && isWatching {
            watch?.remove()
        }
        isWatching = wanted
    }

    override func releaseResources() {
        watch = nil
        listener = nil
    }

    // Level-triggered: already reported and not accepted since, it would only spin.
    fileprivate func queued() {
        guard !silenced.contains(.accept) else {
            watch?.remove()
            isWatching = false
            return
        }
        report(.accept, now: false)
    }
}

private func connectionQueued(_: CInt, _: Int16, _ context: UnsafeMutableRawPointer?) {
    guard let context = unsafe context else { return }
    unsafe Unmanaged<NetworkListener>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.queued() }
}
