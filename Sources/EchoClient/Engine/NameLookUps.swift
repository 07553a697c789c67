package import EchoSockets

/// Name look-ups beside a client's loop.
///
/// They block, so they have threads of their own (``LookUpThreads``); what they find is fetched by
/// the loop's thread, which they wake. Any thread.
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

    private let answers = Locked<[Answer]>([])
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
    /// - Throws: `EAGAIN` when the system does not allow even one further thread.
    package func start() throws(SystemError) {
        for (index, endpoint) in endpoints {
            try LookUpThreads.run { [self] in lookUp(index, endpoint) }
        }
    }

    private func lookUp(_ index: Int, _ endpoint: Endpoint) {
        guard !stop.isStopped else { return }
        let begin = MonotonicTime.now
        let addresses: Result<[SocketAddress], Endpoint.ResolutionError>
        do throws(Endpoint.ResolutionError) {
            addresses = .success(try endpoint.resolve())
        } catch {
            addresses = .failure(error)
        }
        let duration = MonotonicTime.now - begin
        let answer = Answer(index: index, addresses: addresses, duration: duration)
        answers.withLock { $0.append(answer) }
        stop.wake()
    }

    /// What has been found since the last time.
    package func fetch() -> [Answer] {
        answers.withLock { answers in
            defer { answers = [] }
            return answers
        }
    }
}
