import EchoReactor
import EchoSockets

/// The requests that await their answers, in the order of their deadlines.
///
/// `evhttp` leaves a request alone until it is answered, even if its client goes away: it does not
/// read from the connection meanwhile. Confined to the loop's thread, but for the mailbox.
@safe
final class PendingRequests {
    @safe
    private struct Entry {
        let number: UInt64
        let request: OpaquePointer
        let end: MonotonicTime
        let otherwise: HTTPResponse
    }

    /// A request and its answer.
    @safe
    struct Answered {
        let request: OpaquePointer
        let response: HTTPResponse
    }

    /// Where answers arrive, from any thread.
    private final class Mailbox: Sendable {
        private let answers = Locked<[(number: UInt64, response: HTTPResponse)]>([])

        func put(_ number: UInt64, _ response: HTTPResponse) {
            answers.withLock { $0.append((number, response)) }
        }

        func take() -> [(number: UInt64, response: HTTPResponse)] {
            answers.withLock { answers in
                defer { answers = [] }
                return answers
            }
        }
    }

    private var entries: [Entry] = []
    private var count: UInt64 = 0
    private let mailbox = Mailbox()
    private let waker: LoopWaker

    /// - Parameter waker: the loop's, woken for each answer.
    init(_ waker: LoopWaker) {
        self.waker = waker
    }

    /// The earliest deadline, if there is one.
    var nextEnd: MonotonicTime? { entries.map(\.end).min() }

    /// Keeps a request.
    ///
    /// - Returns: where its answer goes.
    func add(
        _ request: OpaquePointer,
        within limit: Duration,
        otherwise: HTTPResponse
    ) -> HTTPReply.Answer {
        count += 1
        let number = count
        unsafe entries.append(
            Entry(number: number, request: request, end: .now + limit, otherwise: otherwise)
        )
        return { [mailbox, waker] response in
            mailbox.put(number, response)
            waker.wake()
        }
    }

    /// Removes the requests that can be answered: those whose answer has arrived, and those whose
    /// time is over.
    func takeAnswered() -> [Answered] {
        var answered: [Answered] = []
        for (number, response) in mailbox.take() {
            // Missing: a second answer, or one that was too late.
            guard let index = entries.firstIndex(where: { $0.number == number }) else {
                continue
            }
            let request = unsafe entries.remove(at: index).request
            answered.append(unsafe Answered(request: request, response: response))
        }
        let now = MonotonicTime.now
        entries.removeAll { entry in
            guard entry.end <= now else { return false }
            answered.append(unsafe Answered(request: entry.request, response: entry.otherwise))
            return true
        }
        return answered
    }
}
