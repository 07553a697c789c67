import EchoSockets

/// A connection of a load that sends nothing.
final class IdleConnection: ChannelUser {
    private let round: LoadRound
    private var channel: Channel<IdleConnection>?

    init(_ round: LoadRound) {
        self.round = round
    }

    /// Connects.
    ///
    /// - Returns: `false` if the server's queue is full, to be tried again.
    func open() -> Bool {
        let channel = Channel(round.loop.loop, user: self)
        self.channel = channel
        switch channel.connect(to: round.address) {
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
        round.events?.opened(self)
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
        round.events?.failed(self, reason)
    }
}
