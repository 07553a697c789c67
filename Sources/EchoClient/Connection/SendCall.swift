import EchoProactor
import EchoSockets

/// Bytes that a task sends.
///
/// Belongs to the loop's thread.
final class SendCall {
    /// Gives it up, if it has a time limit.
    var timer: EchoProactor.Operation?

    // Long ones go in parts: what the kernel does not take at once is copied.
    private static let part = 64 * 1024

    private let bytes: [UInt8]
    private let call: PendingCall<Void>?
    private var taken = 0

    /// Bytes to send.
    ///
    /// - Parameters:
    ///   - bytes: what is sent.
    ///   - call: ends when the kernel has taken all of it; `nil` if nobody waits for that.
    init(_ bytes: [UInt8], _ call: PendingCall<Void>?) {
        self.bytes = bytes
        self.call = call
    }

    /// Whether nobody waits for it any more.
    var isAbandoned: Bool { call?.isAbandoned == true }

    /// Whether the kernel, or the channel, has taken everything.
    var isDone: Bool { taken == bytes.count }

    /// Calls a body with the next part, which counts as taken then.
    func withNextPart<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let end = min(taken + Self.part, bytes.count)
        defer { taken = end }
        return unsafe bytes.withUnsafeBytes { bytes in
            unsafe body(UnsafeRawBufferPointer(rebasing: bytes[taken..<end]))
        }
    }

    /// It is over.
    func end(_ result: Result<Void, CallFailure>, _ loop: ClientLoop) {
        if let timer { loop.loop.cancelWait(timer) }
        call?.end(result)
    }
}
