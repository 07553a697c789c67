import EchoSockets

/// A connection of a load that sends nothing.
final class IdleConnection: ChannelUser {
    private let client: LoadClient
    private var channel: Channel<IdleConnection>?

    init(_ client: LoadClient) {
        self.client = client
    }

    /// Connects.
    ///
    /// - Returns: `false` if the server's queue is full, to be tried again.
    func open() -> Bool {
        let channel = Channel(client.loop.loop, user: self)
        self.channel = channel
        switch channel.connect(to: client.address) {
        case .started: return true
        case .queueFull: return false
        case .failed(let error):
            fail("\(error)")
            return true
        }
    }

    func close() {
        channel?.close(byReset: true)
        channel = nil
    }

    func channelOpened() {
        channel?.resume()
        client.idleOpened()
    }

    func channelReceived(_ bytes: UnsafeRawBufferPointer) {
        fail("an idle connection received \(bytes.count) bytes")
    }

    func channelSent() {}

    func channelEnded() {
        fail("an idle connection was ended by the server")
    }

    func channelFailed(_ error: SystemError) {
        fail("an idle connection: \(error)")
    }

    private func fail(_ reason: String) {
        close()
        client.idleFailed(reason)
    }
}
