import EchoProactor
import EchoSockets

/// The thread that serves all connections of tasks: begins with the first, and ends after the last.
///
/// Any thread.
final class ConnectionThread: Sendable {
    private struct Shared {
        weak var thread: ConnectionThread?
    }

    private static let shared = Locked(Shared())

    /// The one that runs, or a new one.
    ///
    /// - Throws: `EAGAIN` when the system allows no further thread.
    static func current() throws(SystemError) -> ConnectionThread {
        try shared.withLock { (shared) throws(SystemError) in
            if let thread = shared.thread { return thread }
            let thread = try ConnectionThread()
            shared.thread = thread
            return thread
        }
    }

    private let mailbox = ConnectionMailbox()

    private init() throws(SystemError) {
        try Thread(name: "connections") { [mailbox] in
            do throws(SystemError) {
                let loop = try ClientLoop(mailbox.stop)
                let table = ConnectionTable(loop)
                loop.run {
                    mailbox.deliver(to: table)
                    return false
                }
                mailbox.deliver(to: table)
                table.closeAll()
            } catch {
                mailbox.fail(error)
            }
        }.detach()
    }

    deinit {
        mailbox.stop.stop()
    }

    /// Has a body run on the thread, after those before it.
    ///
    /// - Parameter body: given all connections, or why there can be none.
    func perform(_ body: @escaping ConnectionMailbox.Letter) {
        mailbox.put(body)
    }
}

/// What is to be done on the thread of connections.
///
/// Any thread.
final class ConnectionMailbox: Sendable {
    typealias Letter = @Sendable (Result<ConnectionTable, SystemError>) -> Void

    private struct State {
        var letters: [Letter] = []
        var error: SystemError?
    }

    /// Ends the thread's loop.
    let stop = ClientStop()
    private let state = Locked(State())

    /// Leaves a letter.
    func put(_ letter: @escaping Letter) {
        let error = state.withLock { state in
            if state.error == nil { state.letters.append(letter) }
            return state.error
        }
        if let error { letter(.failure(error)) } else { stop.wake() }
    }

    /// Delivers what has been left; on the loop's thread.
    func deliver(to table: ConnectionTable) {
        for letter in take(nil) { letter(.success(table)) }
    }

    /// There is no loop: whoever wants something done is told why it is not.
    func fail(_ error: SystemError) {
        for letter in take(error) { letter(.failure(error)) }
    }

    private func take(_ error: SystemError?) -> [Letter] {
        state.withLock { state in
            defer { state.letters = [] }
            state.error = error
            return state.letters
        }
    }
}
