package import EchoSockets

/// Whose connection a ``Channel`` is.
///
/// Called on the loop's thread, never from within a call of its own to the channel, except for
/// what a receive that is resumed finds at once.
package protocol ChannelUser: AnyObject {
    /// The connection is established.
    func channelOpened()
    /// Bytes have arrived, at least one; valid during the call.
    func channelReceived(_ bytes: UnsafeRawBufferPointer)
    /// A send that had to wait has been taken whole.
    func channelSent()
    /// The server has ended the stream.
    func channelEnded()
    /// The connection could not be established, or is broken.
    ///
    /// - Parameter error: what `connect`, `recv` or `send` gave.
    func channelFailed(_ error: SystemError)
}
