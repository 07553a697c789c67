import EchoProactor
import EchoSockets
import Glibc

/// A connection that is served by operations posted ahead: receive, send back what was received,
/// receive again.
///
/// While the peer takes less than it is owed a second operation receives on. The models differ in how
/// they learn that one has completed.
///
/// While it waits for data it pins no buffer: a receive borrows one when data is there, and the
/// send goes out of the same buffer.
final class OverlappedConnection: Connection {
    /// The operation that receives and sends, used again and again.
    let operation = EchoProactor.Operation()
    /// Receives while the other sends; made when first needed.
    private var second: EchoProactor.Operation?
    // Posted, and its completion not yet taken: an operation that is complete may still be so.
    private var isPosted = false
    private var isSecondPosted = false

    private let thread: AlertableThread
    private unowned(unsafe) let core: WorkerCore<OverlappedConnection>
    private var handle = SocketHandle.none
    // What the rules have been told of the send under way.
    private var credited = 0
    private var isPauseCounted = false

    /// The most bytes of what was kept that are sent as one operation: what is sent counts when
    /// the operation completes, and reading goes on when enough has been.
    private static let sendSize = 64 * 1024

    /// A connection that is not served yet.
    ///
    /// - Parameters:
    ///   - peer: who is at the other end.
    ///   - thread: carries the operations out.
    ///   - core: the worker that serves it, and is told when it is over.
    init(
        _ peer: Peer,
        _ thread: AlertableThread,
        _ core: WorkerCore<OverlappedConnection>
    ) {
        self.thread = thread
        unsafe self.core = core
        super.init(peer: peer, at: .coarse)
        let pointer = unsafe UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque())
        operation.context = UInt64(pointer)
    }

    /// The connection that an operation belongs to.
    ///
    /// It lives until its operations are over (OV-8).
    static func owner(of operation: EchoProactor.Operation) -> OverlappedConnection? {
        guard let pointer = unsafe UnsafeRawPointer(bitPattern: UInt(operation.context)) else {
            return nil
        }
        return unsafe Unmanaged.fromOpaque(pointer).takeUnretainedValue()
    }

    /// Whether it has closed and its operations have been indicated: it can go.
    var isOver: Bool { demand.contains(.close) && !isPosted && !isSecondPosted }

    private var worker: WorkerState { unsafe core.state }

    /// Takes over the socket and posts the first receive.
    ///
    /// - Throws: why the socket cannot be watched.
    func begin(_ socket: consuming Socket) throws(SystemError) {
        handle = try thread.associate(socket, key: 0)
        post()
    }

    /// The event of its operations is signalled: takes the results of those that have completed,
    /// and posts the next.
    func completed() {
        worker.refreshTime()
        if isPosted, !operation.isPending { take() }
        if isSecondPosted, let second, !second.isPending { take(second) }
        proceed()
    }

    /// One of its operations has completed: takes its result and posts the next.
    func completed(_ ended: EchoProactor.Operation) {
        worker.refreshTime()
        if ended === operation { take() } else { take(ended) }
        proceed()
    }

    private func proceed() {
        post()
        if isOver { unsafe core.remove(self) }
    }

    // The result says whether it succeeded: the number of bytes alone does not (OV-3).
    private func take() {
        isPosted = false
        switch operation.result {
        case .success(let count) where operation.kind == .send:
            credit(count - credited)
            credited = 0
        case .success(let count) where count > 0:
            if !session.state.discardsInput { worker.counters.received(count) }
            apply(session.handle(.received(count), worker))
        case .success: apply(session.handle(.endOfInput, worker))
        case .failure(let errno): apply(session.handle(.failed(errno), worker))
        case .incomplete, .invalid: break
        }
    }

    // What came behind the bytes that are being sent is kept until these are out (OV-7).
    private func take(_ second: EchoProactor.Operation) {
        isSecondPosted = false
        switch second.result {
        case .success(let count) where count > 0:
            apply(unsafe session.keep(second.bytes, worker))
            thread.returnLease(of: second)
        case .success: apply(session.handle(.endOfInput, worker))
        case .failure(let errno): apply(session.handle(.failed(errno), worker))
        case .incomplete, .invalid: break
        }
    }

    // Posting resets the event (OV-2): behind an operation that completed at once nothing more is
    // posted, or its completion would be missed.
    private func post() {
        guard !demand.contains(.close) else { return }
        if !isPosted {
            if session.state.owed > 0 {
                guard postSend() else { return }
            } else if !isSecondPosted {
                isPosted = receive(with: operation)
                return
            }
        }
        notePause()
        if isPosted, operation.kind == .send, !isSecondPosted, demand.contains(.receive) {
            isSecondPosted = receive(with: secondOperation())
        }
    }

    private func receive(with operation: EchoProactor.Operation) -> Bool {
        operation.receiveLimit = session.state.allowance(worker.rules)
        return hasStarted(thread.receive(operation, on: handle))
    }

    /// Sends what was received by the same operation, or else the oldest of what was kept.
    ///
    /// - Returns: whether it is under way.
    private func postSend() -> Bool {
        let submission =
            if session.owed.isEmpty {
                unsafe thread.send(operation.bytes, with: operation, on: handle)
            } else {
                unsafe session.handOver(atMost: Self.sendSize) { [thread, operation, handle] in
                    unsafe thread.send($0, with: operation, on: handle)
                }
            }
        isPosted = hasStarted(submission)
        guard submission == .pending else { return false }
        creditProgress()
        return true
    }

    // Refused: nothing was started, and nothing will be indicated (OV-1, SB-11).
    private func hasStarted(_ submission: Submission) -> Bool {
        guard case .refused(let errno) = submission else { return true }
        apply(session.handle(.failed(errno), worker))
        return false
    }

    private func secondOperation() -> EchoProactor.Operation {
        if let second { return second }
        let made = EchoProactor.Operation()
        made.context = operation.context
        made.event = operation.event
        made.routine = operation.routine
        second = made
        return made
    }

    private func notePause() {
        let isPaused = session.state.isPaused
        if isPaused, !isPauseCounted { worker.counters.paused() }
        isPauseCounted = isPaused
    }

    private func credit(_ count: Int) {
        guard count > 0 else { return }
        worker.counters.sent(count)
        apply(session.handle(.sent(count), worker))
    }

    private func creditProgress() {
        let progress = thread.sendProgress(on: handle) - credited
        guard progress > 0 else { return }
        credited += progress
        credit(progress)
    }

    override func isReady(for demand: EchoState.Demand) -> Bool {
        if isPosted, !operation.isPending { return true }
        if isSecondPosted, second?.isPending == false { return true }
        return thread.withSocket(handle) { $0.isReady(for: demand) } == true
    }

    override func willBeChecked() {
        if isPosted, operation.kind == .send { creditProgress() }
    }

    override func apply(_ wanted: EchoState.Demand) {
        guard wanted != demand, !demand.contains(.close) else { return }
        demand = wanted.subtracting(.shutdownSend)
        if wanted.contains(.shutdownSend) { thread.shutdown(.sending, on: handle) }
        guard wanted.contains(.close) else { return }
        if session.state.resetsOnClose { thread.withSocket(handle) { $0.setResetOnClose() } }
        // Operations under way are indicated as aborted; only then the connection goes (OV-8).
        thread.close(handle, later: true)
    }
}
