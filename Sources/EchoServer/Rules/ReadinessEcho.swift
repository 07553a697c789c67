import EchoSockets
import Glibc

/// Where bytes are received from and sent to: a socket, or a model's own view of one.
protocol ByteStream: ~Copyable {
    /// Receives what is there, without blocking.
    func receive(into buffer: UnsafeMutableRawBufferPointer) -> Transfer
    /// Sends what fits, without blocking.
    func send(_ buffer: UnsafeRawBufferPointer) -> Transfer
    /// Moves what is there into a pipe instead; `nil` if it must be received.
    func receive(into pipe: inout SplicePipe, atMost limit: Int) -> Transfer?
    /// Sends what fits of what a pipe holds.
    func send(from pipe: inout SplicePipe) -> Transfer
}

extension ByteStream where Self: ~Copyable {
    func receive(into pipe: inout SplicePipe, atMost limit: Int) -> Transfer? { nil }
    func send(from pipe: inout SplicePipe) -> Transfer { .wouldBlock }
}

extension Socket: ByteStream {
    func receive(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        unsafe receive(into: buffer, flags: 0)
    }

    func send(_ buffer: UnsafeRawBufferPointer) -> Transfer {
        unsafe send(buffer, flags: 0)
    }

    func receive(into pipe: inout SplicePipe, atMost limit: Int) -> Transfer? {
        pipe.fill(from: number, atMost: limit)
    }

    func send(from pipe: inout SplicePipe) -> Transfer { pipe.drain(to: number) }
}

/// One connection's echo rules together with its pending bytes, driven by the readiness of a
/// stream.
///
/// Bytes usually pass only through the worker's receive buffer: they are sent from where they were
/// received, and only what the transport did not take is copied (CO-8, SB-5).
struct ReadinessEcho: ~Copyable {
    private(set) var state: EchoState
    private(set) var owed = EchoBuffer()
    // Large receives in a row.
    private var streak: UInt8 = 0

    /// Whether its last receive was large: the next is likely to be.
    var isBulk: Bool { streak > 0 }

    /// The echo of a connection that begins now.
    init(at now: MonotonicTime) {
        state = EchoState(at: now)
    }

    /// Passes an event that is not a transfer to the rules.
    mutating func handle(_ event: EchoState.Event, _ worker: WorkerState) -> EchoState.Demand {
        state.handle(event, at: worker.now, worker.rules)
    }

    /// Passes a time event to the rules; see ``EchoState/check(_:at:_:isReady:)``.
    mutating func check(
        _ event: EchoState.Event,
        _ worker: WorkerState,
        isReady: (EchoState.Demand, Duration) -> Bool
    ) -> EchoState.Demand {
        state.check(event, at: worker.now, worker.rules, isReady: isReady)
    }

    /// Receives once and sends back at once what was received.
    mutating func readable<Stream: ByteStream & ~Copyable>(
        _ stream: borrowing Stream,
        _ worker: WorkerState
    ) -> EchoState.Demand {
        let room = min(state.allowance(worker.rules), worker.bufferSize)
        guard room > 0 else { return state.demand }
        if streak >= Self.longStreak, let demand = splice(stream, room, worker) { return demand }
        let buffer = unsafe UnsafeMutableRawBufferPointer(rebasing: worker.buffer[..<room])
        switch unsafe stream.receive(into: buffer) {
        case .bytes(let count):
            streak = count < Self.largeReceive ? 0 : min(streak + 1, Self.longStreak)
            return unsafe echo(UnsafeRawBufferPointer(rebasing: buffer[..<count]), stream, worker)
        case .endOfStream: return handle(.endOfInput, worker)
        case .failed(let errno): return handle(.failed(errno), worker)
        case .wouldBlock, .interrupted: return state.demand
        }
    }

    private mutating func echo<Stream: ByteStream & ~Copyable>(
        _ bytes: UnsafeRawBufferPointer,
        _ stream: borrowing Stream,
        _ worker: WorkerState
    ) -> EchoState.Demand {
        guard !state.discardsInput else { return handle(.received(bytes.count), worker) }
        worker.counters.received(bytes.count)
        let wasPaused = state.isPaused
        var demand = handle(.received(bytes.count), worker)
        var taken = 0
        if owed.isEmpty {
            switch unsafe stream.send(bytes) {
            case .bytes(let count):
                worker.counters.sent(count)
                demand = handle(.sent(count), worker)
                taken = count
            case .failed(let errno): return handle(.failed(errno), worker)
            case .wouldBlock, .interrupted, .endOfStream: break
            }
        }
        if taken < bytes.count {
            unsafe owed.append(UnsafeRawBufferPointer(rebasing: bytes[taken...]))
            if state.isPaused, !wasPaused { worker.counters.paused() }
        }
        return demand
    }

    // Below 32 KiB, splice(2) gains nothing over receiving and sending.
    private static var largeReceive: Int { 32 * 1024 }
    private static var longStreak: UInt8 { 4 }

    // Moves bytes into the worker's pipe and from there back; `nil` if they must be received.
    private mutating func splice<Stream: ByteStream & ~Copyable>(
        _ stream: borrowing Stream,
        _ room: Int,
        _ worker: WorkerState
    ) -> EchoState.Demand? {
        guard worker.splices, owed.isEmpty, !state.discardsInput else { return nil }
        return worker.withPipe { pipe in
            switch stream.receive(into: &pipe, atMost: room) {
            case .bytes(let count):
                if count < Self.largeReceive { streak = 0 }
                return sendBack(count, &pipe, stream, worker)
            case .failed(let errno): return handle(.failed(errno), worker)
            case .endOfStream, .wouldBlock, .interrupted, nil: return nil
            }
        }
    }

    private mutating func sendBack<Stream: ByteStream & ~Copyable>(
        _ count: Int,
        _ pipe: inout SplicePipe,
        _ stream: borrowing Stream,
        _ worker: WorkerState
    ) -> EchoState.Demand {
        worker.counters.received(count)
        let wasPaused = state.isPaused
        var demand = handle(.received(count), worker)
        switch stream.send(from: &pipe) {
        case .bytes(let count):
            worker.counters.sent(count)
            demand = handle(.sent(count), worker)
        case .failed(let errno): return handle(.failed(errno), worker)
        case .wouldBlock, .interrupted, .endOfStream: break
        }
        // The pipe is the worker's: what the transport did not take is copied after all.
        while pipe.count > 0 {
            streak = 0
            guard case .bytes(let count) = unsafe pipe.read(into: worker.buffer), count > 0
            else { return handle(.failed(Errno(rawValue: EIO)), worker) }
            unsafe owed.append(UnsafeRawBufferPointer(rebasing: worker.buffer[..<count]))
        }
        if state.isPaused, !wasPaused { worker.counters.paused() }
        return demand
    }

    /// Sends pending bytes until there is no more room, or none are left.
    mutating func writable<Stream: ByteStream & ~Copyable>(
        _ stream: borrowing Stream,
        _ worker: WorkerState
    ) -> EchoState.Demand {
        var demand = state.demand
        while demand.contains(.send) {
            switch unsafe owed.withBytes({ unsafe stream.send($0) }) {
            case .bytes(let count):
                worker.counters.sent(count)
                owed.removeFirst(count)
                demand = handle(.sent(count), worker)
                if count == 0 { return demand }
            case .failed(let errno): return handle(.failed(errno), worker)
            case .wouldBlock, .interrupted, .endOfStream: return demand
            }
        }
        return demand
    }
}
