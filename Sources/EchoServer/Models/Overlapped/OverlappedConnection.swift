import EchoProactor
import EchoSockets
import EchoWinsock

/// A connection that is served by overlapped operations: it receives, sends back what was received,
/// and receives again, as ``CompletionEcho`` says.
///
/// One operation does both in turn, and while it waits for data it pins no buffer: a receive borrows
/// one when data is there, and the send goes out of the same. While the peer takes less than it is
/// owed, a second operation receives on.
final class OverlappedConnection: ServedConnection {
    let peer: Peer
    let beginning: Beginning
    var place = SocketHandle.none
    // Nothing that it calls back uses it, so that no access needs to be checked.
    @exclusivity(unchecked) private var echo: CompletionEcho
    private let loop: OverlappedLoop
    private unowned(unsafe) let core: WorkerCore<OverlappedConnection>
    private var socket = SocketHandle.none
    /// What each of its operations signals or runs.
    private let notice: Notice
    private let operation = EchoProactor.Operation()
    /// Receives while the other sends; made when first needed.
    private var second: EchoProactor.Operation?
    // Posted, and its completion not yet taken: an operation that has ended may still be so.
    private var isPosted = false
    private var isSecondPosted = false

    private let runsRoutine: Bool

    /// How it learns that an operation has ended.
    enum Notice {
        case event(EventObject)
        case routine(CompletionRoutine)
    }

    /// A connection that is not served yet.
    ///
    /// - Parameters:
    ///   - peer: who is at the other end.
    ///   - loop: carries the operations out.
    ///   - core: the worker that serves it, and is told when it is over.
    ///   - notice: how it learns that an operation has ended.
    init(
        _ peer: Peer,
        _ loop: OverlappedLoop,
        _ core: WorkerCore<OverlappedConnection>,
        _ notice: Notice
    ) {
        self.peer = peer
        self.loop = loop
        unsafe self.core = core
        self.notice = notice
        if case .routine = notice { runsRoutine = true } else { runsRoutine = false }
        beginning = Beginning(at: .coarse)
        unsafe echo = CompletionEcho(at: .coarse)
        prepare(operation)
    }

    private func prepare(_ operation: EchoProactor.Operation) {
        operation.owner = self
        switch notice {
        case .event(let event): operation.event = event
        case .routine(let routine): operation.routine = routine
        }
    }

    var state: EchoState { unsafe echo.state }

    /// Whether it has closed and its operations have been indicated: it can go (OV-8).
    var isOver: Bool { unsafe echo.isClosed && !isPosted && !isSecondPosted }

    private var worker: WorkerState { unsafe core.state }

    /// Takes over the socket and posts the first receive.
    ///
    /// - Throws: why the socket cannot be watched.
    func begin(_ socket: consuming Socket) throws(SystemError) {
        var options: AdoptionOptions = []
        // A receive of a Unix socket also ends early where somebody passed descriptors.
        if case .unix = peer.address { options.insert(.receivesUntilWouldBlock) }
        self.socket = try loop.adopt(socket, options: options)
        perform(unsafe echo.next(worker.rules))
    }

    // MARK: What has completed

    /// Its event is signalled: takes the results of the operations that have ended.
    func completed() {
        worker.refreshTime()
        if isPosted, !operation.isPending { completed(operation) }
        if isSecondPosted, let second, !second.isPending { completed(second) }
    }

    /// The routine of one of its operations runs.
    func routineRan(_ ended: EchoProactor.Operation) {
        worker.refreshTime()
        completed(ended)
        finishIfOver()
    }

    // The result says whether it succeeded: the number of bytes alone does not (OV-3).
    private func completed(_ ended: EchoProactor.Operation) {
        if ended === operation { isPosted = false } else { isSecondPosted = false }
        guard unsafe !echo.isClosed else { return }
        let (now, rules) = (worker.now, worker.rules)
        switch ended.result {
        case .success(let count) where ended.kind == .send:
            worker.counters.sent(unsafe echo.uncredited(of: count))
            perform(unsafe echo.sent(count, at: now, rules))
        case .success(let count) where count > 0:
            if unsafe !echo.state.discardsInput { worker.counters.received(count) }
            let action = unsafe echo.received(ended.bytes, at: now, rules)
            perform(action)
            if ended !== operation { loop.returnBuffer(of: ended) }
        case .success: perform(unsafe echo.endOfInput(at: now, rules))
        case .failure(let errno): perform(unsafe echo.failed(errno, at: now, rules))
        case .incomplete: break
        }
    }

    // MARK: What is posted

    private func perform(_ first: CompletionEcho.Action) {
        var action = first
        while true {
            switch action {
            case .receive(let limit): action = receive(atMost: limit)
            case .send(let bytes): action = unsafe send(bytes)
            case .shutDownSending:
                loop.shutdown(.sending, on: socket)
                action = unsafe echo.next(worker.rules)
            case .close(let resetting):
                if resetting { loop.withSocket(socket) { $0.setResetOnClose() } }
                // What is under way is indicated as aborted; only then the connection goes.
                loop.close(socket, later: true)
                return
            case .nothing:
                if unsafe echo.hasPaused() { worker.counters.paused() }
                return
            }
        }
    }

    private func receive(atMost limit: Int) -> CompletionEcho.Action {
        let receiving = isPosted ? secondOperation() : operation
        receiving.receiveLimit = limit
        // Refused: nothing was started, and nothing will be indicated (OV-1, SB-11).
        if case .refused(let errno) = loop.receive(receiving, on: socket) {
            return unsafe echo.failed(errno, at: worker.now, worker.rules)
        }
        if receiving === operation { isPosted = true } else { isSecondPosted = true }
        return .nothing
    }

    private func send(_ bytes: UnsafeRawBufferPointer) -> CompletionEcho.Action {
        let (now, rules) = (worker.now, worker.rules)
        let submission = unsafe loop.send(bytes, with: operation, on: socket) {
            unsafe echo.keepUnsent($0)
        }
        switch submission {
        case .completed(let count):
            if runsRoutine {
                isPosted = true
                return .nothing
            }
            // Its event is signalled, too; posting the next operation resets it (OV-2).
            worker.counters.sent(count)
            return unsafe echo.sent(count, at: now, rules)
        case .pending:
            isPosted = true
            worker.counters.sent(unsafe echo.progressed(to: operation.sentCount, at: now, rules))
            return unsafe echo.next(rules)
        case .refused(let errno): return unsafe echo.failed(errno, at: now, rules)
        }
    }

    private func secondOperation() -> EchoProactor.Operation {
        if let second { return second }
        let made = EchoProactor.Operation()
        prepare(made)
        second = made
        return made
    }

    // MARK: What time brings

    func check(_ event: EchoState.Event, _ worker: WorkerState) {
        guard unsafe !echo.isClosed else { return }
        let (now, rules) = (worker.now, worker.rules)
        if isPosted, operation.kind == .send {
            worker.counters.sent(unsafe echo.progressed(to: operation.sentCount, at: now, rules))
        }
        let hasEnded =
            isPosted && !operation.isPending || isSecondPosted && second?.isPending == false
        perform(
            unsafe echo.check(event, at: now, rules) { [loop, socket] demand in
                hasEnded || loop.withSocket(socket) { $0.isReady(for: demand) } == true
            }
        )
        finishIfOver()
    }

    /// Sees to it that its worker lets it go, if nothing will complete any more.
    func finishIfOver() {
        guard isOver else { return }
        switch notice {
        case .event(let event): event.signal()
        case .routine: leave()
        }
    }

    /// Leaves its worker.
    func leave() {
        abandon()
        unsafe core.remove(self)
    }

    /// Is not served any more: the operations and it do not keep each other alive.
    func abandon() {
        operation.owner = nil
        second?.owner = nil
    }
}
