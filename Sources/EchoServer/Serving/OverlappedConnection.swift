import Glibc
import Proactor
import Sockets

/// A connection that is served by operations posted ahead, one at a time: receive, send back what
/// was received, receive again.
///
/// The models differ in how they learn that one has completed.
///
/// While it waits for data it pins no buffer: a receive borrows one when data is there, and the
/// send goes out of the same buffer.
final class OverlappedConnection: Connection {
    /// The operation, used again and again.
    let operation = Proactor.Operation()
    private let thread: AlertableThread
    private unowned(unsafe) let core: WorkerCore
    private var handle = SocketHandle.none
    // What the rules have been told of the send under way.
    private var credited = 0

    /// A connection that is not served yet.
    ///
    /// - Parameters:
    ///   - peer: who is at the other end.
    ///   - thread: carries the operations out.
    ///   - core: the worker that serves it, and is told when it is over.
    init(
        _ peer: Peer,
        _ thread: AlertableThread,
        _ core: WorkerCore
    ) {
        self.thread = thread
        unsafe self.core = core
        super.init(peer: peer, at: .coarse)
        let pointer = unsafe UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque())
        operation.context = UInt64(pointer)
    }

    /// The connection that an operation belongs to.
    ///
    /// It lives until its operation is over (OV-8).
    static func owner(of operation: Proactor.Operation) -> OverlappedConnection? {
        guard let pointer = unsafe UnsafeRawPointer(bitPattern: UInt(operation.context)) else {
            return nil
        }
        return unsafe Unmanaged.fromOpaque(pointer).takeUnretainedValue()
    }

    /// Whether it has closed and its operation has been indicated: it can go.
    var isOver: Bool { demand.contains(.close) && !operation.isPending }

    private var worker: WorkerState { unsafe core.state }

    /// Takes over the socket and posts the first receive.
    ///
    /// - Throws: why the socket cannot be watched.
    func begin(_ socket: consuming Socket) throws(SystemError) {
        handle = try thread.associate(socket, key: 0)
        post()
    }

    /// The operation has completed: takes its result and posts the next (OV-3).
    func completed() {
        worker.refreshTime()
        switch operation.result {
        case .success(let count) where operation.kind == .send:
            credit(count - credited)
            credited = 0
        case .success(let count) where count > 0:
            if !session.state.discardsInput { worker.counters.received(count) }
            apply(session.handle(.received(count), worker))
        case .success: apply(session.handle(.endOfInput, worker))
        case .failure(let errno): apply(session.handle(.failed(errno), worker))
        case .incomplete, .invalid: return
        }
        post()
        if isOver { unsafe core.remove(self) }
    }

    // One operation at a time: while anything is owed nothing is received, which keeps what is
    // owed within one buffer, and the echo in order (OV-7).
    private func post() {
        guard !operation.isPending, !demand.contains(.close) else { return }
        let submission: Submission
        if session.state.owed > 0 {
            submission = unsafe thread.send(operation.bytes, with: operation, on: handle)
            if submission == .pending { worker.counters.paused() }
        } else {
            submission = thread.receive(operation, on: handle)
        }
        // Refused: nothing was started, and nothing will be indicated (OV-1, SB-11).
        if case .refused(let errno) = submission {
            apply(session.handle(.failed(errno), worker))
        }
    }

    private func credit(_ count: Int) {
        guard count > 0 else { return }
        worker.counters.sent(count)
        apply(session.handle(.sent(count), worker))
    }

    override func willBeChecked() {
        guard operation.isPending, operation.kind == .send else { return }
        let progress = thread.sendProgress(on: handle) - credited
        credited += max(progress, 0)
        credit(progress)
    }

    override func apply(_ wanted: EchoState.Demand) {
        guard wanted != demand, !demand.contains(.close) else { return }
        demand = wanted.subtracting(.shutdownSend)
        if wanted.contains(.shutdownSend) { thread.shutdown(.sending, on: handle) }
        guard wanted.contains(.close) else { return }
        if session.state.resetsOnClose { thread.withSocket(handle) { $0.setResetOnClose() } }
        // An operation under way is indicated as aborted; only then the connection goes (OV-8).
        thread.close(handle)
    }
}
