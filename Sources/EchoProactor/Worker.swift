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
        private let seat = Seat()
        private let memory: UnsafeMutablePointer<Memory>

        /// What it has in hand: memory of its own, so that using it needs no exclusivity check.
        @safe private struct Memory: ~Copyable {
            var packets: [Packet] = []
            var current: Packet?
            var buffers: [UnsafeMutableRawPointer] = unsafe []
            var buffer: UnsafeMutableRawPointer
        }

        /// Makes the calling thread a worker of a port.
        ///
        /// It belongs to one port at a time (CP-2).
        package init(of port: CompletionPort) {
            self.port = port
            let size = port.receiveBufferSize
            unsafe memory = .allocate(capacity: 1)
            unsafe memory.initialize(
                to: Memory(buffer: .allocate(byteCount: size, alignment: 64))
            )
            port.join(seat)
            PortMembership.join(port)
        }

        deinit {
            finish()
            PortMembership.leave()
            port.leave(seat)
            while let buffer = unsafe memory.pointee.buffers.popLast() {
                unsafe buffer.deallocate()
            }
            unsafe memory.pointee.buffer.deallocate()
            unsafe memory.deinitialize(count: 1)
            unsafe memory.deallocate()
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
            switch unsafe port.take(seat, memory.pointee.buffer, until: deadline) {
            case .packet(let packet):
                if packet.kind != .posted { unsafe memory.pointee.current = packet }
                return packet.number == 0 ? .success(packet) : .failure(packet)
            case .timedOut: return .timedOut
            case .abandoned: return .abandoned
            }
        }

        /// Takes what is there, waiting for the first packet only.
        ///
        /// What earlier packets refer to is no longer valid. The corresponding Winsock function is
        /// `GetQueuedCompletionStatusEx`.
        ///
        /// - Parameters:
        ///   - limit: the most packets to take.
        ///   - timeout: how long to wait; `nil` for ever, zero not at all.
        ///   - packets: replaced by what was taken; look at the ``Packet/error`` of each (CP-5).
        /// - Returns: ``Dequeued/success(_:)`` with the first, if any was taken.
        package func dequeue(
            upTo limit: Int,
            timeout: Duration? = nil,
            into packets: inout [Packet]
        ) -> Dequeued {
            finish()
            packets.removeAll(keepingCapacity: true)
            var deadline = Deadline(after: timeout)
            while packets.count < limit, case .packet(let packet) = takeOneMore(until: deadline) {
                deadline = .now
                packets.append(packet)
            }
            if let first = packets.first { return .success(first) }
            return port.isClosed ? .abandoned : .timedOut
        }

        // Each has a buffer of its own.
        private func takeOneMore(until deadline: Deadline) -> Taken {
            let taken = unsafe port.take(seat, memory.pointee.buffer, until: deadline)
            guard case .packet(let packet) = taken, packet.kind != .posted else { return taken }
            unsafe memory.pointee.packets.append(packet)
            if unsafe packet.lease != nil {
                let size = port.receiveBufferSize
                unsafe memory.pointee.buffers.append(memory.pointee.buffer)
                unsafe memory.pointee.buffer = .allocate(byteCount: size, alignment: 64)
            }
            return taken
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
            if let current = unsafe memory.pointee.current {
                unsafe memory.pointee.current = nil
                port.settle(current)
            }
            guard unsafe !memory.pointee.packets.isEmpty else { return }
            for packet in unsafe memory.pointee.packets { port.settle(packet) }
            unsafe memory.pointee.packets.removeAll(keepingCapacity: true)
            while let buffer = unsafe memory.pointee.buffers.popLast() {
                unsafe buffer.deallocate()
            }
        }
    }
}

@available(*, unavailable)
extension CompletionPort.Worker: Sendable {}
