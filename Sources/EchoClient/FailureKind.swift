import EchoSockets
import Glibc

/// What can go wrong between a client and an echo server: the kinds that exit codes and reports
/// tell apart.
///
/// The raw value is the kind's name in reports.
package enum FailureKind: String, CaseIterable, Hashable, Sendable {
    /// The host name has no address.
    case unknownHost = "unknown-host"
    /// No server is there: the port is closed, no route leads there, or there is no such socket.
    case refused
    /// This user may not connect there.
    case denied
    /// Everything that came was right, but not all of it came in time.
    case late
    /// The connection broke, usually because the server reset it.
    case reset
    /// The server ended the connection in good order, but too early.
    case ended
    /// Bytes came that were not sent, or not at that place.
    case wrong
    /// The failure is on this side, and says nothing about the server.
    case local
}

extension FailureKind {
    /// The kind of failure of a connection that was established: a peer that is gone without a
    /// word, which the kernel notices in the end, is late.
    init(connectionLost error: Errno) {
        self = error.rawValue == ETIMEDOUT ? .late : .reset
    }
}
