import EchoSockets
import EchoTestSupport
import Logging

@testable import EchoServer

/// A stream whose every transfer is written down beforehand.
final class ScriptedStream: ByteStream {
    /// What one receive gives; bytes that do not fit stay for the next one.
    enum Arrival: Equatable {
        case bytes([UInt8])
        case wouldBlock
        case interrupted
        case failed(Errno)
    }

    /// What is received, in order; then the end of the stream.
    var arrivals: [Arrival]
    /// What becomes of each send, in order; then all is taken.
    ///
    /// `.bytes(n)` takes at most n.
    var departures: [Transfer]
    /// Everything sent.
    private(set) var sent: [UInt8] = []
    /// The largest room offered to a receive.
    private(set) var largestRoom = 0
    /// Whether it can be spliced.
    var canSplice = false
    /// How often bytes were to go into a pipe.
    private(set) var splices = 0

    init(_ arrivals: [Arrival], sending departures: [Transfer] = []) {
        self.arrivals = arrivals
        self.departures = departures
    }

    func receive(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        largestRoom = max(largestRoom, buffer.count)
        guard !arrivals.isEmpty else { return .endOfStream }
        switch arrivals.removeFirst() {
        case .bytes(let bytes):
            let taken = bytes.prefix(buffer.count)
            if taken.count < bytes.count {
                arrivals.insert(.bytes(Array(bytes[taken.count...])), at: 0)
            }
            unsafe buffer.copyBytes(from: taken)
            return .bytes(taken.count)
        case .wouldBlock: return .wouldBlock
        case .interrupted: return .interrupted
        case .failed(let errno): return .failed(errno)
        }
    }

    func send(_ buffer: UnsafeRawBufferPointer) -> Transfer {
        let step = departures.isEmpty ? .bytes(buffer.count) : departures.removeFirst()
        guard case .bytes(let room) = step else { return step }
        let taken = unsafe buffer.prefix(room)
        unsafe sent.append(contentsOf: taken)
        return unsafe .bytes(taken.count)
    }

    func receive(into pipe: inout SplicePipe, atMost limit: Int) -> Transfer? {
        guard canSplice else { return nil }
        splices += 1
        var bytes = [UInt8](repeating: 0, count: limit)
        let outcome = unsafe bytes.withUnsafeMutableBytes { unsafe receive(into: $0) }
        guard case .bytes(let count) = outcome, let pair = try? Socket.pair() else {
            return outcome
        }
        guard pair.first.sendBytes(Array(bytes[..<count])) == outcome else { return nil }
        return pipe.fill(from: pair.second.number, atMost: limit)
    }

    func send(from pipe: inout SplicePipe) -> Transfer {
        let step = departures.isEmpty ? .bytes(pipe.count) : departures.removeFirst()
        guard case .bytes(let room) = step else { return step }
        var bytes = [UInt8](repeating: 0, count: min(room, pipe.count))
        var taken = 0
        while taken < bytes.count {
            let outcome = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe pipe.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[taken...]))
            }
            guard case .bytes(let count) = outcome else { return outcome }
            taken += count
        }
        sent += bytes
        return .bytes(taken)
    }
}

/// A session with its worker, driven as a model drives it.
final class SessionProbe {
    let context: ServingContext
    let worker: WorkerState
    private var session: ReadinessEcho
    private(set) var demand = EchoState.Demand.receive
    private(set) var shutdowns = 0
    /// What was found wrong on the way.
    private(set) var violations: [String] = []

    init(
        limit: Int = 64,
        buffer: Int = 64,
        model: EchoServer.IOModel = .select,
        splice: EchoServer.Configuration.Splicing = .auto
    ) {
        let configuration = EchoServer.Configuration(
            model: model,
            receiveBufferSize: buffer,
            pendingLimit: limit,
            splice: splice
        )
        context = ServingContext(configuration, logger: Logger(label: "test") { _ in .silent })
        worker = WorkerState(context)
        session = ReadinessEcho(at: worker.now)
    }

    var state: EchoState { session.state }
    var owed: [UInt8] { unsafe session.owed.withBytes { unsafe [UInt8]($0) } }
    var totals: CounterTotals { context.counters.totals }

    func feed(_ event: EchoState.Event) { note(session.handle(event, worker)) }
    func read(_ stream: ScriptedStream) { note(session.readable(stream, worker)) }
    func write(_ stream: ScriptedStream) { note(session.writable(stream, worker)) }

    /// Serves the stream until it closes.
    func run(_ stream: ScriptedStream) {
        var turns = 0
        while demand != .close {
            turns += 1
            if turns > 10_000 { return violations.append("it does not end") }
            if demand.contains(.send) { write(stream) }
            if demand.contains(.receive) { read(stream) }
        }
    }

    private func note(_ demand: EchoState.Demand) {
        self.demand = demand
        if demand.contains(.shutdownSend) { shutdowns += 1 }
        if state.owed > worker.rules.pendingLimit { violations.append("more than the limit") }
        if demand != .close, session.owed.count != state.owed {
            violations.append("the rules say \(state.owed), the buffer holds \(session.owed.count)")
        }
    }
}

extension LogHandler where Self == SwiftLogNoOpLogHandler {
    fileprivate static var silent: SwiftLogNoOpLogHandler { SwiftLogNoOpLogHandler() }
}
