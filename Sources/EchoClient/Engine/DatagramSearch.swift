import EchoSockets
import Glibc

/// Looks for the first of several addresses that answers datagrams: over UDP nothing else tells
/// whether a server is there.
///
/// Belongs to the loop's thread.
final class DatagramSearch: DatagramChannelUser {
    private let loop: ClientLoop
    private let payload = DatagramPayload(
        PatternBytes(seed: .random(in: 0 ... .max)),
        size: 16
    )
    private var sent = 0
    private var isAnswered = false
    private var failure: SystemError?

    /// - Parameter loop: whose thread it is for.
    init(_ loop: ClientLoop) {
        self.loop = loop
    }

    /// Sends a datagram to each address in turn, again and again, until one is answered.
    ///
    /// - Parameters:
    ///   - addresses: where to send.
    ///   - end: when to give up.
    ///   - goesOn: whether to try again after none but refusals; asked each time.
    /// - Returns: the address; `nil` if none has answered, or the loop was told to end.
    /// - Throws: why nothing can be there: the failure of the last address, if all have refused.
    func run(
        _ addresses: [SocketAddress],
        until end: MonotonicTime,
        goesOn: () -> Bool = { false }
    ) throws(SystemError) -> SocketAddress? {
        var pause = Duration.milliseconds(20)
        while .now < end, !loop.isStopped {
            var refusal: SystemError?
            var isSilent = addresses.isEmpty
            for address in addresses {
                ask(address, until: min(end, .now + pause))
                if isAnswered { return address }
                if let failure { refusal = failure } else { isSilent = true }
            }
            if !isSilent, let refusal, !goesOn() { throw refusal }
            if !isSilent { loop.run(until: .now + .milliseconds(5)) { false } }
            pause = min(pause * 2, .seconds(1))
        }
        return nil
    }

    private func ask(_ address: SocketAddress, until end: MonotonicTime) {
        failure = nil
        do throws(SystemError) {
            let channel = try DatagramChannel(
                loop.loop,
                to: address,
                bufferSize: payload.size + 1,
                user: self
            )
            defer { channel.close() }
            send(on: channel)
            loop.run(until: end) { isAnswered || failure != nil }
        } catch {
            failure = error
        }
    }

    private func send(on channel: DatagramChannel<DatagramSearch>) {
        let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: loop.room[..<payload.size])
        sent += 1
        unsafe payload.fill(bytes, number: sent)
        if let error = unsafe channel.send(UnsafeRawBufferPointer(bytes)) { failure = error }
    }

    func channelReceived(_ message: borrowing DatagramMessage) {
        if unsafe payload.isEcho(message.bytes, of: sent) { isAnswered = true }
    }

    func channelFailed(_ error: SystemError) {
        failure = error
    }
}
