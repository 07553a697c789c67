import EchoSockets
import Glibc

/// What a thread got from a completion port: the four outcomes of CP-4.
package enum Dequeued {
    /// An operation succeeded, or a packet was posted.
    case success(Packet)
    /// An operation failed; its packet is as good as any other (PF-16).
    case failure(Packet)
    /// Nothing came in time (`WAIT_TIMEOUT`).
    case timedOut
    /// The port was closed (`ERROR_ABANDONED_WAIT_0`).
    case abandoned
}

@available(*, unavailable)
extension Dequeued: Sendable {}

extension CompletionPort {
    /// A thread's membership of a port: the thread that makes it is the one that uses it.
    @safe package final class Worker {
        private let port: CompletionPort
        private let seat: Seat
        private let buffer: UnsafeMutableRawPointer
        // What it has in hand. Of one thread, and no call from within a use: no run-time check.
        @exclusivity(unchecked) private var current: Packet?

        /// Makes the calling thread a worker of a port.
        ///
        /// It belongs to one port at a time (CP-2).
        package init(of port: CompletionPort) {
            self.port = port
            seat = Seat(port.polling)
            unsafe buffer = .allocate(byteCount: port.receiveBufferSize, alignment: 64)
            PortMembership.join(port)
        }

        deinit {
            finish()
            PortMembership.leave()
            port.suspend(seat)
            unsafe buffer.deallocate()
        }

        /// Takes one packet, waiting for it if need be.
        ///
        /// What earlier packets refer to is no longer valid. The corresponding Winsock function is
        /// `GetQueuedCompletionStatus`.
        ///
        /// - Parameter timeout: how long to wait; `nil` for ever, zero not at all.
        /// - Returns: the four outcomes of CP-4.
        package func dequeue(timeout: Duration? = nil) -> Dequeued {
            finish()
            let deadline = Deadline(after: timeout)
            switch unsafe port.take(seat, buffer, until: deadline) {
            case .packet(let packet):
                if packet.kind != .posted { unsafe current = packet }
                return packet.number == 0 ? .success(packet) : .failure(packet)
            case .timedOut: return .timedOut
            case .abandoned: return .abandoned
            }
        }

        /// Runs a body that may block, letting another worker handle packets meanwhile (CP-3).
        package func blocking<Result>(_ body: () throws -> Result) rethrows -> Result {
            guard seat.isRunning else { return try body() }
            port.suspend(seat)
            defer { port.resume(seat) }
            return try body()
        }

        /// Gives up what earlier packets refer to.
        private func finish() {
            guard let packet = unsafe current else { return }
            unsafe current = nil
            port.settle(packet)
        }
    }
}

@available(*, unavailable)
extension CompletionPort.Worker: Sendable {}
