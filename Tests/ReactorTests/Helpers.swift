import Sockets

@testable import Reactor

/// Counts the callbacks of its watches.
final class CallCounter {
    var count = 0

    func watch(
        _ loop: EventLoop,
        _ descriptor: CInt,
        _ readiness: Readiness
    ) throws(ReactorError) -> Watch {
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        return unsafe try Watch(
            loop,
            descriptor: descriptor,
            readiness,
            persistent: true,
            context: context
        ) { _, _, context in
            guard let context = unsafe context else { return }
            unsafe Unmanaged<CallCounter>.fromOpaque(context).takeUnretainedValue().count += 1
        }
    }
}

extension Socket {
    /// Sends a text whole.
    func sendText(_ text: String, flags: CInt = 0) -> Transfer {
        let bytes = Array(text.utf8)
        return unsafe bytes.withUnsafeBytes { unsafe send($0, flags: flags) }
    }
}
