import ArgumentParser
import EchoServer

/// Prints the table of I/O models.
struct Models: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the I/O models: backend, mechanism, threads, capacity."
    )

    func run() {
        Output.write(Self.table)
    }

    private static let header = ["MODEL", "BACKEND", "MECHANISM", "THREADS", "CAPACITY", "WINSOCK"]

    /// The table, with columns as wide as they need to be.
    static var table: String {
        let rows = [header] + EchoServer.IOModel.allCases.map(row)
        let widths = header.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = row.indices.map { column in
                column == row.count - 1
                    ? row[column]
                    : row[column]
                        + String(repeating: " ", count: widths[column] - row[column].count)
            }
            return cells.joined(separator: "  ") + "\n"
        }.joined()
    }

    private static func row(_ model: EchoServer.IOModel) -> [String] {
        let facts = facts(model)
        return [
            model.rawValue, model.backend.rawValue, facts.mechanism, facts.threads, facts.capacity,
            facts.winsock,
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
                capacity: "--max-connections",
                winsock: "(baseline)"
            )
        case .select:
            Facts(
                mechanism: "select(2) asks which sockets are ready",
                threads: "2",
                capacity: "descriptors < 1024",
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
                winsock: "WSARecv, WSAGetOverlappedResult"
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
                mechanism: "completions drain from one port",
                threads: "--workers",
                capacity: "descriptors",
                winsock: "CreateIoCompletionPort"
            )
        }
    }
}
