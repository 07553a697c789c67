extension EchoServer {
    /// How a server waits for and performs its I/O: the models of Winsock, and the baseline that
    /// they are measured against.
    ///
    /// The raw value is the name on the command line.
    public enum IOModel: String, CaseIterable, Sendable, Codable {
        /// Blocking calls, one thread per connection.
        case threadPerClient = "thread-per-client"
        /// An acceptor, and one worker that calls `select(2)` to find the sockets that are ready.
        ///
        /// Connections with a descriptor of `FD_SETSIZE` (1024) or more cannot be served, and are
        /// reset.
        case select
        /// One thread; readiness becomes messages in a queue, dispatched to one procedure
        /// (`WSAAsyncSelect`).
        case asyncSelect = "async-select"
        /// Readiness signals an event object per socket; a worker waits on each group of up to 64
        /// (`WSAEventSelect`).
        case eventSelect = "event-select"
        /// Operations are posted ahead, and completion signals an event; a worker waits on each
        /// group of up to 64 (`WSARecv` with `WSAGetOverlappedResult`).
        case overlapped
        /// Operations are posted ahead, and their completion routine runs in an alertable wait of
        /// the thread that posted them.
        case overlappedRoutine = "overlapped-routine"
        /// A few workers dequeue the completions of all sockets from one port
        /// (`CreateIoCompletionPort`).
        case completionPort = "completion-port"

        /// The backend that the model is built on.
        public var backend: Backend {
            switch self {
            case .threadPerClient: .threads
            case .select, .asyncSelect, .eventSelect: .libevent
            case .overlapped, .overlappedRoutine, .completionPort: .proactor
            }
        }

        /// Whether it can bypass user space; see ``Configuration/splice``.
        package var canSplice: Bool { backend == .libevent }
    }

    /// What a group of I/O models is built on.
    ///
    /// The raw value is the name on the command line.
    public enum Backend: String, CaseIterable, Sendable, Codable {
        /// Blocking calls on threads.
        case threads
        /// Readiness callbacks of libevent.
        case libevent
        /// Completions over `epoll(7)` and a pool of Dispatch workers.
        case proactor

        /// The model of this backend that served fastest when measured.
        public var defaultModel: IOModel {
            switch self {
            case .threads: .threadPerClient
            case .libevent: .asyncSelect
            case .proactor: .completionPort
            }
        }
    }
}
