import ArgumentParser
import EchoServer

/// Prints the table of I/O models.
struct Models: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: Subcommand.models.rawValue,
        abstract: "Print the I/O models: backend, mechanism, threads and capacity."
    )

    func run() throws {
        try Output.print(Self.table(Screen.current))
    }

    private static let header = ["MODEL", "BACKEND", "THREADS", "CAPACITY", "WINSOCK"]

    /// The table, with columns as wide as they need to be; the mechanism goes below the rest where
    /// a line is too short for it.
    static func table(_ screen: Screen) -> String {
        let rows =
            [(header, "MECHANISM")]
            + EchoServer.IOModel.allCases.map { (cells($0), facts($0).mechanism) }
        let widths = header.indices.map { column in rows.map { $0.0[column].count }.max() ?? 0 }
        let width = widths.reduce(0) { $0 + $1 + 2 }
        let isWide = rows.allSatisfy { width + $0.1.count <= screen.columns }
        return rows.map { cells, mechanism in
            let padded = zip(cells, widths).map { Layout.padded($0, $1 + 2) }.joined()
            return Layout.lines(
                padded,
                width: width,
                mechanism,
                columns: isWide ? nil : min(screen.columns, width)
            )
        }.joined()
    }

    private static func cells(_ model: EchoServer.IOModel) -> [String] {
        let facts = facts(model)
        return [
            model.rawValue, model.backend.rawValue, facts.threads, facts.capacity, facts.winsock,
        ]
    }

    private struct Facts {
        let mechanism: String
        let threads: String
        let capacity: String
        let winsock: String
    }

    private static func facts(_ model: EchoServer.IOModel) -> Facts {
        switch model {
        case .threadPerClient:
            Facts(
                mechanism: "blocking recv and send",
                threads: "1 + n",
                capacity: "threads",
                winsock: "(baseline)"
            )
        case .select:
            Facts(
                mechanism: "select(2) returns the sockets that are ready",
                threads: "2",
                capacity: "fds < 1024",
                winsock: "select, WSAAccept"
            )
        case .asyncSelect:
            Facts(
                mechanism: "readiness becomes messages for a pump",
                threads: "1",
                capacity: "descriptors",
                winsock: "WSAAsyncSelect"
            )
        case .eventSelect:
            Facts(
                mechanism: "readiness signals an event object",
                threads: "1 + n/64",
                capacity: "descriptors",
                winsock: "WSAEventSelect"
            )
        case .overlapped:
            Facts(
                mechanism: "completion signals an event object",
                threads: "1 + n/64",
                capacity: "descriptors",
                winsock: "WSAGetOverlappedResult"
            )
        case .overlappedRoutine:
            Facts(
                mechanism: "completion routine in an alertable wait",
                threads: "2",
                capacity: "descriptors",
                winsock: "WSARecv, SleepEx"
            )
        case .completionPort:
            Facts(
                mechanism: "workers dequeue completions from one port",
                threads: "--workers",
                capacity: "descriptors",
                winsock: "CreateIoCompletionPort"
            )
        }
    }
}
