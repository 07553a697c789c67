package import EchoSockets
package import EchoWinsock
import Glibc

/// A datagram socket whose `read` event can be selected.
///
/// Nothing is read ahead: a datagram socket has no end that would have to be told from data.
/// Confined to its loop's thread; not Sendable.
package final class NetworkDatagramSocket: SelectableSocket {
    private var socket: DatagramSocket?
    private var watch: Watch?
    private var isWatching = false
    /// The descriptor's number, for sending; -1 once closed.
    package private(set) var number: CInt

    /// Adopts a datagram socket.
    ///
    /// - Parameters:
    ///   - loop: the loop whose thread this is.
    ///   - socket: the socket; closed with this object.
    ///   - handle: its name in messages.
    /// - Throws: `EMFILE` if the loop's method is `select` and the number too large (PF-1).
    package init(
        _ loop: EventLoop,
        adopting socket: consuming DatagramSocket,
        as handle: SocketHandle = .none
    ) throws(SystemError) {
        number = socket.number
        self.socket = consume socket
        super.init(loop, handle)
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        watch = unsafe try Watch(
            loop.base,
            descriptor: number,
            .read,
            persistent: true,
            context: context,
            callback: datagramsQueued
        )
    }

    deinit {
        releaseResources()
    }

    /// Receives one datagram or a batch of what is queued, and re-enables `read` (AS-4).
    ///
    /// The corresponding function is `recvfrom`, for each datagram. Datagrams that remain are
    /// reported again (AS-5).
    ///
    /// - Returns: as `DatagramBatch.receiveSome(from:)`; `-ENOTSOCK` once closed (CO-1), or why the
    ///   event will not be reported again.
    package func receive(into batch: DatagramBatch) -> Int {
        guard number >= 0 else { return -Int(ENOTSOCK) }
        let count = batch.receiveSome(from: number)
        silenced.remove(.read)
        guard !isWatching else { return count }
        do throws(SystemError) {
            try selectionChanged()
            return count
        } catch {
            return -Int(error.errno.rawValue)
        }
    }

    override func selectionChanged() throws(SystemError) {
        let wanted = selection.contains(.read)
        if wanted && !isWatching {
            try watch?.add()
        } else if !wanted && isWatching {
            watch?.remove()
        }
        isWatching = wanted
    }

    override func releaseResources() {
        watch = nil
        socket = nil
        number = -1
    }

    // Level-triggered: already reported and not received since, it would only spin.
    fileprivate func queued() {
        guard !silenced.contains(.read) else {
            watch?.remove()
            isWatching = false
            return
        }
        report(.read, now: false)
    }
}

private func datagramsQueued(_: CInt, _: Int16, _ context: UnsafeMutableRawPointer?) {
    guard let context = unsafe context else { return }
    unsafe Unmanaged<NetworkDatagramSocket>.fromOpaque(context)
        ._withUnsafeGuaranteedRef { $0.queued() }
}
