import EchoProactor
import EchoSockets
import EchoWinsock

/// A connection that is served by overlapped operations: it receives, sends back what was received,
/// and receives again, as ``CompletionEcho`` says.
///
/// One operation does both in turn, and while it waits for data it pins no buffer: a receive
/// borrows one when data is there, and the send goes out of the same. While the peer takes less
/// than it is owed, a second operation receives on.
final class OverlappedConnection: ServedConnection {
    let peer: Peer
    let beginning: Beginning
    var place = SocketHandle.none
    // Nothing that it calls back uses it, so that no access needs to be checked.
    @exclusivity(unchecked) private var echo: CompletionEcho
    private let loop: OverlappedLoop
    private unowned(unsafe) let core: WorkerCore<OverlappedConnection>
    private var socket = SocketHandle.none
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
        beginning = Beginning(at: .coarse)
        unsafe echo = CompletionEcho(at: .coarse)
        switch notice {
        case .event(let event):
            operation.event = event
            runsRoutine = false
        case .routine(let routine):
            operation.routine = routine
            runsRoutine = true
        }
        operation.owner = self
    }

    var state: EchoState { unsafe echo.state }

    /// Whether it has closed and its operations have been indicated: it can go (OV-8).
    var isOver: Bool { unsafe echo.isClosed && !isPosted && !isSecondPosted }

    /// Takes over the socket and posts the first receive.
    ///
    /// - Throws: why the socket cannot be watched.
    func begin(_ socket: consuming Socket) throws(SystemError) {
        var options: AdoptionOptions = []
        // A receive of a Unix socket also ends early where somebody passed descriptors.
        if case .unix = peer.address { options.insert(.receivesUntilWouldBlock) }
        self.socket = try loop.adopt(socket, options: options)
        let worker = unsafe core.state
        perform(unsafe echo.next(worker.rules), worker)
    }

    // MARK: What has completed

    /// Its event is signalled: takes the results of the operations that have ended.
    func completed(_ worker: WorkerState) {
        if isPosted, !operation.isPending { completed(operation, worker) }
        if isSecondPosted, let second, !second.isPending { completed(second, worker) }
    }

    /// The routine of one of its operations runs.
    func routineRan(_ ended: EchoProactor.Operation) {
        let worker = unsafe core.state
        worker.refreshTime()
        completed(ended, worker)
        finishIfOver()
    }

    // The result says whether it succeeded: the number of bytes alone does not (OV-3).
    private func completed(_ ended: EchoProactor.Operation, _ worker: WorkerState) {
        if ended === operation { isPosted = false } else { isSecondPosted = false }
        guard unsafe !echo.isClosed else { return }
        let (now, rules) = (worker.now, worker.rules)
        switch (ended.result, ended.kind) {
        case (.success(let count), .send):
            worker.counters.sent(unsafe echo.uncredited(of: count))
            perform(unsafe echo.sent(count, at: now, rules), worker)
        case (.success(let count), _) where count > 0:
            if unsafe !echo.state.discardsInput { worker.counters.received(count) }
            let action = unsafe echo.received(ended.bytes, at: now, rules)
            perform(action, worker)
            if ended !== operation { loop.returnBuffer(of: ended) }
        case (.success, _): perform(unsafe echo.endOfInput(at: now, rules), worker)
        case (.failure(let errno), _): perform(unsafe echo.failed(errno, at: now, rules), worker)
        case (.incomplete, _): break
        }
    }

    // MARK: What is posted

    private func perform(_ first: CompletionEcho.Action, _ worker: WorkerState) {
        var action = first
        while true {
            switch action {
            case .receive(let limit): action = receive(atMost: limit, worker)
            case .send(let bytes): action = unsafe send(bytes, worker)
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

    private func receive(atMost limit: Int, _ worker: WorkerState) -> CompletionEcho.Action {
        isPosted
            ? receive(with: secondOperation(), atMost: limit, worker)
            : receive(with: operation, atMost: limit, worker)
    }

    private func receive(
        with receiving: EchoProactor.Operation,
        atMost limit: Int,
        _ worker: WorkerState
    ) -> CompletionEcho.Action {
        receiving.receiveLimit = limit
        // Refused: nothing was started, and nothing will be indicated (OV-1, SB-11).
        if case .refused(let errno) = loop.receive(receiving, on: socket) {
            return unsafe echo.failed(errno, at: worker.now, worker.rules)
        }
        if receiving === operation { isPosted = true } else { isSecondPosted = true }
        return .nothing
    }

    private func send(
        _ bytes: UnsafeRawBufferPointer,
        _ worker: WorkerState
    ) -> CompletionEcho.Action {
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
        (made.event, made.routine, made.owner) = (operation.event, operation.routine, self)
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
            unsafe echo.check(event, at: now, rules) { [loop, socket] demand, silence in
                hasEnded
                    || loop.withSocket(socket) {
                        Socket.isReady($0.number, for: demand, after: silence)
                    } == true
            },
            worker
        )
        // What has just been posted has reset the event of one that had ended.
        if hasEnded { operation.event?.signal() }
        finishIfOver()
    }

    /// Sees to it that its worker lets it go, if nothing will complete any more.
    func finishIfOver() {
        guard isOver else { return }
        if let event = operation.event { event.signal() } else { leave() }
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
