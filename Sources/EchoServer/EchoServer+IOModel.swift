extension EchoServer {
    /// How a server waits for and does its input and output: the five models of Winsock, and the
    /// baseline they are measured against.
    ///
    /// The raw value is the name on the command line.
    public enum IOModel: String, CaseIterable, Sendable, Codable {
        /// Blocking calls, one thread for each connection.
        case threadPerClient = "thread-per-client"
        /// An acceptor, and one worker that asks `select(2)` which sockets are ready.
        ///
        /// Descriptors from `FD_SETSIZE` (1024) on cannot be served; such connections are reset.
        case select
        /// One thread; readiness becomes messages in a queue, dispatched to one procedure
        /// (`WSAAsyncSelect`).
        case asyncSelect = "async-select"
        /// Readiness signals an event object per socket; groups of up to 64 are waited on by a
        /// worker each (`WSAEventSelect`).
        case eventSelect = "event-select"
        /// Operations posted ahead, whose completion sets an event; groups of up to 64
        /// (`WSARecv` with `WSAGetOverlappedResult`).
        case overlapped
        /// Operations posted ahead, whose completion routine runs in an alertable wait of the
        /// thread that posted them.
        case overlappedRoutine = "overlapped-routine"
        /// Completions of all sockets drain from one port by a few workers
        /// (`CreateIoCompletionPort`).
        case completionPort = "completion-port"

        /// What the model is built on.
        public var backend: Backend {
            switch self {
            case .threadPerClient: .threads
            case .select, .asyncSelect, .eventSelect: .libevent
            case .overlapped, .overlappedRoutine, .completionPort: .proactor
            }
        }
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
