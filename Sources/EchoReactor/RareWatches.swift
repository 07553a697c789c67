import EchoSockets

/// The watches that most sockets never need: for room to send, and for urgent data.
final class RareWatches {
    var write: Watch?
    var urgent: UrgentReadiness?
    var urgentWatch: Watch?

    /// Frees the watch for urgent data, before its descriptor.
    func dropUrgent() {
        urgentWatch = nil
        urgent = nil
    }

    deinit {
        dropUrgent()
    }
}
