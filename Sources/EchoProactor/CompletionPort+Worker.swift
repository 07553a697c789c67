import EchoSockets
import Glibc

/// What a thread got from the port: the four outcomes of CP-4.
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
        let port: CompletionPort
        let edges = EdgeBuffer()
        let condition = Condition()
        /// Where the port counts its turns.
        let place: Int
        // Guarded by the port's monitor.
        var isParked = false
        var isRunning = false

        private var current: UnsafeMutableRawPointer
        private var lent: [UnsafeMutableRawPointer]
        private var delivered: [Packet] = []

        /// Makes the calling thread a worker of a port.
        ///
        /// It belongs to one port at a time (CP-2).
        package init(of port: CompletionPort) {
            self.port = port
            place = port.monitor.withLock {
                port.turns.append(0)
                return port.turns.count - 1
            }
            unsafe current = port.buffers.take()
            unsafe lent = []
            WorkerThread.join(port)
        }

        deinit {
            recycle()
            unsafe port.buffers.give(current)
            WorkerThread.leave()
            port.suspend(self)
        }

        var buffer: UnsafeMutableRawBufferPointer {
            unsafe UnsafeMutableRawBufferPointer(start: current, count: port.buffers.bufferSize)
        }

        /// Lets the parked thread go on.
        ///
        /// Under the port's monitor.
        func release() {
            isParked = false
            condition.signal()
        }

        /// Takes one packet, waiting for it if need be.
        ///
        /// What earlier packets refer to is no longer valid. The corresponding Winsock function is
        /// `GetQueuedCompletionStatus`.
        ///
        /// - Parameter timeout: how long to wait; `nil` for ever, zero not at all.
        /// - Returns: the four outcomes of CP-4.
        package func dequeue(timeout: Duration? = nil) -> Dequeued {
            recycle()
            switch port.take(self, until: Deadline(after: timeout)) {
            case .packet(let packet):
                if packet.hasReference { delivered.append(packet) }
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
            recycle()
            packets.removeAll(keepingCapacity: true)
            var deadline = Deadline(after: timeout)
            while packets.count < limit {
                guard case .packet(let packet) = port.take(self, until: deadline) else { break }
                deadline = .now
                if packet.hasReference { delivered.append(packet) }
                if unsafe packet.lease != nil {
                    unsafe lent.append(current)
                    unsafe current = port.buffers.take()
                }
                packets.append(packet)
            }
            if let first = packets.first { return .success(first) }
            return port.isAbandoned ? .abandoned : .timedOut
        }

        /// Keeps the bytes of a packet beyond the next dequeuing.
        ///
        /// - Returns: the owner of the buffer; `nil` if the packet has none, or was kept already.
        package func keep(_ packet: Packet) -> KeptBuffer? {
            guard let lease = unsafe packet.lease else { return nil }
            if unsafe lease == current {
                unsafe current = port.buffers.take()
            } else if let index = unsafe lent.firstIndex(of: lease) {
                unsafe lent.remove(at: index)
            } else {
                return nil
            }
            return unsafe KeptBuffer(lease, count: packet.byteCount, pool: port.buffers)
        }

        /// Runs a body that may block, letting another worker handle packets meanwhile (CP-3).
        package func blocking<Result>(_ body: () throws -> Result) rethrows -> Result {
            guard isRunning else { return try body() }
            port.suspend(self)
            defer { port.resume(self) }
            return try body()
        }

        private func recycle() {
            if !delivered.isEmpty {
                for packet in delivered { packet.release() }
                delivered.removeAll(keepingCapacity: true)
            }
            while let buffer = unsafe lent.popLast() { unsafe port.buffers.give(buffer) }
        }
    }
}

@available(*, unavailable)
extension CompletionPort.Worker: Sendable {}

/// Which port the calling thread is a worker of.
enum WorkerThread {
    private static let slot: pthread_key_t = {
        var key = pthread_key_t()
        unsafe pthread_key_create(&key, nil)
        return key
    }()

    static func join(_ port: CompletionPort) {
        unsafe pthread_setspecific(slot, Unmanaged.passUnretained(port).toOpaque())
    }

    static func leave() {
        pthread_setspecific(slot, nil)
    }

    static func belongs(to port: CompletionPort) -> Bool {
        unsafe pthread_getspecific(slot) == Unmanaged.passUnretained(port).toOpaque()
    }
}
