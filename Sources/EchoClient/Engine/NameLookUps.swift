package import EchoSockets

/// Name look-ups beside a client's loop, a limited number of them at a time.
///
/// They block, so they have threads of their own; what they find is fetched by the loop's thread,
/// which they wake. Any thread.
package final class NameLookUps: Sendable {
    /// What a look-up has found.
    package struct Answer: Sendable {
        /// Which endpoint it was for: its place in the list.
        package let index: Int
        /// Its addresses, or why there are none.
        package let addresses: Result<[SocketAddress], Endpoint.ResolutionError>
        /// How long it took.
        package let duration: Duration
    }

    private struct State {
        var next = 0
        var answers: [Answer] = []
    }

    private let state = Locked(State())
    private let endpoints: [(index: Int, endpoint: Endpoint)]
    private let stop: ClientStop

    /// Look-ups that have not begun.
    ///
    /// - Parameters:
    ///   - endpoints: all endpoints; those that are numeric are left out.
    ///   - stop: of the loop to wake. Once it is stopped, no further look-up begins.
    package init(of endpoints: [Endpoint], wakes stop: ClientStop) {
        self.endpoints = endpoints.enumerated().filter { $0.element.needsLookUp }
            .map { (index: $0.offset, endpoint: $0.element) }
        self.stop = stop
    }

    /// How many names there are to look up.
    package var count: Int { endpoints.count }

    /// Begins.
    ///
    /// - Parameter limit: the most look-ups at a time, and threads.
    /// - Throws: `EAGAIN` when the system does not allow even one further thread.
    package func start(limit: Int = 16) throws(SystemError) {
        for number in 0..<min(limit, count) {
            do throws(SystemError) {
                try Thread(name: "look-up") { [self] in run() }.detach()
            } catch {
                if number == 0 { throw error }
                return
            }
        }
    }

    private func run() {
        while !stop.isStopped, let (index, endpoint) = take() {
            let begin = MonotonicTime.now
            let addresses: Result<[SocketAddress], Endpoint.ResolutionError>
            do throws(Endpoint.ResolutionError) {
                addresses = .success(try endpoint.resolve())
            } catch {
                addresses = .failure(error)
            }
            let duration = MonotonicTime.now - begin
            let answer = Answer(index: index, addresses: addresses, duration: duration)
            state.withLock { $0.answers.append(answer) }
            stop.wake()
        }
    }

    private func take() -> (index: Int, endpoint: Endpoint)? {
        state.withLock { state in
            guard state.next < endpoints.count else { return nil }
            state.next += 1
            return endpoints[state.next - 1]
        }
    }

    /// What has been found since the last time.
    package func fetch() -> [Answer] {
        state.withLock { state in
            defer { state.answers = [] }
            return state.answers
        }
    }
}
