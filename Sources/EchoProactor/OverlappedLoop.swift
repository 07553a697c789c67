package import EchoSockets
import EchoWinsock
import Glibc

/// Overlapped I/O of one thread: operations are posted ahead, and when they have ended they signal
/// their event or queue their routine (OV-1 to OV-14, CR-1 to CR-9).
///
/// The thread waits for up to 64 events at once, and carries the transfers out itself while it
/// waits: nothing lies between readiness and completion but the transfer. More sockets than a wait
/// takes events need more threads, each with a loop of its own.
///
/// Belongs to the thread that makes it, and has no lock on its path; all that other threads may do
/// is ``queue(_:)``.
@safe
package final class OverlappedLoop: @unchecked Sendable {
    /// The most operations that may wait on one socket (OV-14).
    package static var pendingLimit: Int { SocketState.pendingLimit }

    /// Closes sockets a few a turn, if they are many.
    package let closing = ClosingQueue()
    let epoll: Epoll
    let edges = EdgeBuffer()
    let sockets = HandleTable<AdoptedSocket>()
    let mail = RoutineMail()
    /// The thread that it belongs to.
    let thread = pthread_self()
    private let memory: UnsafeMutablePointer<Memory>

    /// What the loop keeps between turns: memory of its own, so that using it needs no exclusivity
    /// check.
    @safe struct Memory: ~Copyable {
        /// Sockets that wait for their turn (PR-5).
        var turns = Ring<SocketHandle>()
        /// Sockets that have spent a turn and wait for another.
        var spent = Ring<SocketHandle>(capacity: 8)
        /// Operations whose routine is to run, in the order of their completion; with a reference
        /// to each.
        var routines = unsafe Ring<Unmanaged<Operation>>()
        var buffers: ReceiveBuffers
        /// Operations that wait for a moment.
        var timers = TimerHeap()
        /// Turns that were waiting at the last look and have not come since: sockets that always
        /// have something to do must not keep those out that have become ready (PR-5).
        var leftOfRound = 0
        /// The same for the others, of which few come between two looks: each took as long as
        /// 64 KiB do, beside which a look costs little.
        var spentLeft = 0
        var polling: BusyPolling

        /// How many turns may be spent between two looks.
        private static var spentTurnsPerLook: Int { 2 }

        var hasTurns: Bool { !turns.isEmpty || !spent.isEmpty }

        /// The socket whose turn it is; `nil` if a look must come first.
        mutating func nextTurn() -> SocketHandle? {
            if leftOfRound > 0, let next = turns.popFirst() {
                leftOfRound -= 1
                return next
            }
            guard spentLeft > 0, let next = spent.popFirst() else { return nil }
            spentLeft -= 1
            return next
        }

        mutating func beginRound() {
            leftOfRound = turns.count
            spentLeft = Self.spentTurnsPerLook
        }
    }

    /// Opens a loop.
    ///
    /// - Parameters:
    ///   - receiveBufferSize: bytes of the buffers that receives without one borrow.
    ///   - polling: whether it polls before it sleeps.
    /// - Throws: what `epoll_create1` or `eventfd` gave.
    package init(
        receiveBufferSize: Int = 64 * 1024,
        polling: BusyPolling = .off
    ) throws(SystemError) {
        epoll = try Epoll()
        unsafe memory = .allocate(capacity: 1)
        let buffers = ReceiveBuffers(size: receiveBufferSize)
        unsafe memory.initialize(to: Memory(buffers: buffers, polling: polling))
    }

    // What the thread has started ends with it (OV-10): nobody is left to be told.
    deinit {
        for socket in sockets.objects {
            while let operation = unsafe socket.state.pointee.nextAborted() {
                unsafe operation.release()
            }
            _ = Descriptor(adopting: unsafe socket.state.pointee.number)
        }
        while let operation = unsafe memory.pointee.routines.popFirst() {
            unsafe operation.release()
        }
        while let timer = unsafe memory.pointee.timers.removeLast() { unsafe timer.release() }
        unsafe memory.deinitialize(count: 1)
        unsafe memory.deallocate()
    }

    /// Calls `body` with what the loop keeps between turns.
    @inline(__always)
    func withMemory<Result>(_ body: (inout Memory) -> Result) -> Result {
        unsafe body(&memory.pointee)
    }

    // MARK: Indicating

    /// Indicates that an operation has ended, whose reference passes to it.
    @inline(__always)
    func indicate(_ operation: Unmanaged<Operation>) {
        let hasRoutine = unsafe operation._withUnsafeGuaranteedRef { operation -> Bool in
            if operation.hasRoutine { return true }
            operation.signal()
            return false
        }
        if hasRoutine {
            unsafe memory.pointee.routines.append(operation)
        } else {
            unsafe operation.release()
        }
    }

    /// Gives a socket its turn: carries out what is pending and possible, within bounds (PR-5).
    func serve(_ handle: SocketHandle, _ readiness: Readiness, isQueued: Bool) {
        sockets.with(handle) { socket in
            let state = unsafe socket.state
            if isQueued {
                unsafe state.pointee.flags.remove(.queued)
            } else if unsafe state.pointee.flags.contains(.queued) {
                // It waits for its turn already, and has no other, however many edges there are.
                return unsafe state.pointee.note(readiness)
            }
            unsafe state.pointee.beginTurn(readiness)
            while let ended = unsafe state.pointee.nextReceive(&memory.pointee.buffers) {
                unsafe indicate(ended)
            }
            while let ended = unsafe state.pointee.nextSend() { unsafe indicate(ended) }
            if unsafe state.pointee.isTurnSpent { unsafe requeue(state, handle) }
        }
    }

    /// Lets the others go first.
    func requeue(_ state: UnsafeMutablePointer<SocketState>, _ handle: SocketHandle) {
        guard unsafe state.pointee.hasWork else { return }
        guard unsafe state.pointee.flags.insert(.queued).inserted else { return }
        if unsafe state.pointee.isTurnSpent {
            unsafe memory.pointee.spent.append(handle)
        } else {
            unsafe memory.pointee.turns.append(handle)
        }
    }
}
