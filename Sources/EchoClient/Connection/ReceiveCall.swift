import EchoProactor
import EchoSockets
import Glibc

/// What a task waits for to come back.
///
/// Belongs to the loop's thread.
final class ReceiveCall {
    /// What is waited for.
    enum Wanted {
        /// Some bytes: how many at most.
        case any(limit: Int, PendingCall<[UInt8]>)
        /// The echo of bytes that are sent, and the moment from which its time counts.
        case echo(of: [UInt8], since: MonotonicTime, PendingCall<Duration>)
    }

    /// Gives it up, if it has a time limit.
    var timer: EchoProactor.Operation?
    /// Whether all has come.
    private(set) var isDone = false
    private let wanted: Wanted
    private var some: [UInt8] = []
    private var count = 0

    /// Something to receive.
    init(_ wanted: Wanted) {
        self.wanted = wanted
    }

    /// Whether nobody waits for it any more.
    var isAbandoned: Bool {
        switch wanted {
        case .any(_, let call): call.isAbandoned
        case .echo(_, _, let call): call.isAbandoned
        }
    }

    /// Whether it can be given up without harm to later calls.
    var mayGo: Bool {
        if case .any = wanted { true } else { false }
    }

    /// How many more bytes it takes.
    var room: Int {
        switch wanted {
        case .any(let limit, _): limit
        case .echo(let expected, _, _): expected.count - count
        }
    }

    /// Takes bytes, at most as many as there is room for.
    ///
    /// - Returns: what is wrong with them.
    func take(_ bytes: UnsafeRawBufferPointer) -> CallFailure? {
        switch wanted {
        case .any:
            unsafe some.append(contentsOf: bytes)
            isDone = true
            return nil
        case .echo(let expected, _, _):
            if let difference = unsafe difference(from: expected, bytes) {
                return .wrong(difference)
            }
            count += bytes.count
            isDone = count == expected.count
            return nil
        }
    }

    private func difference(
        from expected: [UInt8],
        _ bytes: UnsafeRawBufferPointer
    ) -> ByteDifference? {
        guard let answer = bytes.baseAddress else { return nil }
        let isEqual = unsafe expected.withUnsafeBytes { expected in
            guard let start = expected.baseAddress else { return false }
            return unsafe memcmp(start + count, answer, bytes.count) == 0
        }
        if isEqual { return nil }
        let place = bytes.indices.first { unsafe bytes[$0] != expected[count + $0] } ?? 0
        return unsafe ByteDifference(
            offset: count + place,
            expected: expected[count + place],
            received: bytes[place]
        )
    }

    /// All has come.
    ///
    /// - Returns: whether somebody learns of it.
    @discardableResult
    func succeed(_ loop: ClientLoop) -> Bool {
        cancelTimer(loop)
        return switch wanted {
        case .any(_, let call): call.end(.success(some))
        case .echo(_, let begin, let call): call.end(.success(.now - begin))
        }
    }

    /// The server has ended the stream.
    func ended(_ loop: ClientLoop) {
        if case .echo(let expected, _, _) = wanted {
            fail(.ended(after: count, of: expected.count), loop)
        } else {
            succeed(loop)
        }
    }

    /// It is not going to come.
    func fail(_ failure: CallFailure, _ loop: ClientLoop) {
        cancelTimer(loop)
        switch wanted {
        case .any(_, let call): call.end(.failure(failure))
        case .echo(_, _, let call): call.end(.failure(failure))
        }
    }

    private func cancelTimer(_ loop: ClientLoop) {
        if let timer { loop.loop.cancelWait(timer) }
        timer = nil
    }
}
