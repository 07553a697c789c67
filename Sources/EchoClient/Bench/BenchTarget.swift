import EchoSockets
import Glibc

/// A server that runs.
struct BenchTarget {
    let address: SocketAddress
    /// Whether it is asked over UDP.
    let isDatagram: Bool
    let pid: pid_t?
    private let child: ChildProcess?

    /// Starts a server, if it does not run yet, and waits until it accepts; blocks.
    ///
    /// - Parameters:
    ///   - server: what to start.
    ///   - processors: those it may use; all if there are none.
    ///   - loop: of the calling thread.
    ///   - stop: ends the loop, and the wait.
    /// - Throws: ``BenchError``, which says what failed.
    init(
        _ server: EchoBench.Server,
        processors: [Int],
        _ loop: ClientLoop,
        _ stop: ClientStop
    ) throws(BenchError) {
        let waiting = Waiting(loop: loop, stop: stop)
        switch server.source {
        case .running(let endpoint, let pid):
            address = try waiting.address(of: endpoint.value)
            isDatagram = endpoint.isDatagram
            self.pid = pid
            child = nil
        case .announcing(let command):
            let child = try Self.start(command, processors, keepsOutput: true)
            (address, isDatagram) = try waiting.announced(by: child, server.name)
            pid = child.pid
            self.child = child
        case .shell(let command, let isDatagram):
            let address = try Self.freeAddress(isDatagram: isDatagram)
            let text = command.replacing("PORT", with: String(address.port ?? 0))
            let child = try Self.start(["/bin/sh", "-c", text], processors, keepsOutput: false)
            try waiting.await(address, isDatagram: isDatagram, child, server.name)
            self.address = address
            self.isDatagram = isDatagram
            pid = child.pid
            self.child = child
        }
    }

    /// How the server ended, for people, if it was started for the measurement and runs no more;
    /// blocks for a moment if it seems to run.
    var ended: String? { child?.ended }

    /// Ends the server, if it was started for the measurement; blocks.
    func end() {
        child?.end(within: .seconds(2))
    }

    private static func start(
        _ command: [String],
        _ processors: [Int],
        keepsOutput: Bool
    ) throws(BenchError) -> ChildProcess {
        do throws(SystemError) {
            return try ChildProcess(command, processors: processors, keepsOutput: keepsOutput)
        } catch {
            throw BenchError("cannot start \(command.joined(separator: " ")): \(error)")
        }
    }

    // Of a port that is free now.
    private static func freeAddress(isDatagram: Bool) throws(BenchError) -> SocketAddress {
        let any = SocketAddress.loopback(port: 0)
        let address =
            isDatagram ? try? DatagramSocket(any).address : try? Listener(any, backlog: 1).address
        guard let address else { throw BenchError("no port of 127.0.0.1 is free") }
        return address
    }
}

/// Waits for servers, until the loop is told to end.
private struct Waiting {
    let loop: ClientLoop
    let stop: ClientStop

    /// How long a server may take until it accepts.
    private static let patience = Duration.seconds(10)

    /// The address of a server that runs.
    func address(of endpoint: Endpoint) throws(BenchError) -> SocketAddress {
        do throws(ConnectError) {
            let search = AddressSearch(loop, stop, endpoint)
            if let address = try search.run(within: Self.patience) { return address }
            if endpoint.isDatagram, !stop.isStopped {
                throw ConnectError(endpoint, .timedOut)
            }
        } catch {
            throw BenchError("\(error)")
        }
        throw BenchError("stopped")
    }

    /// The address that a server says it listens on.
    ///
    /// The line may come in parts, and other lines before it.
    func announced(
        by child: ChildProcess,
        _ name: String
    ) throws(BenchError) -> (SocketAddress, isDatagram: Bool) {
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        let end = MonotonicTime.now + Self.patience
        while .now < end, !stop.isStopped {
            var entry = pollfd(fd: child.output.rawValue, events: Int16(POLLIN), revents: 0)
            _ = unsafe poll(&entry, 1, 100)
            let number = child.output.rawValue
            let count = transferCall { unsafe read(number, &buffer, buffer.count) }
            if count == 0 { break }
            text += buffer.prefix(max(0, count))
            for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
                guard line.hasPrefix("listening on "), text.last == 0x0A,
                    let endpoint = try? Endpoint(parsing: String(line.dropFirst(13)))
                else { continue }
                return (try address(of: endpoint), endpoint.isDatagram)
            }
        }
        throw BenchError("\(name) \(child.ended ?? "did not say where it listens")")
    }

    /// Waits until a server accepts there.
    func await(
        _ address: SocketAddress,
        isDatagram: Bool,
        _ child: ChildProcess,
        _ name: String
    ) throws(BenchError) {
        if isDatagram { return try awaitAnswer(address, child, name) }
        let endpoint = Endpoint.tcp(host: address.host, port: address.port ?? 0)
        let end = MonotonicTime.now + Self.patience
        while .now < end, child.isRunning, !stop.isStopped {
            let search = AddressSearch(loop, stop, endpoint)
            if let found = try? search.run(within: .seconds(1)), found == address { return }
            loop.run(until: .now + .milliseconds(5)) { false }
        }
        throw BenchError("\(name) \(child.ended ?? "does not accept connections on \(address)")")
    }

    private func awaitAnswer(
        _ address: SocketAddress,
        _ child: ChildProcess,
        _ name: String
    ) throws(BenchError) {
        let search = DatagramSearch(loop)
        let end = MonotonicTime.now + Self.patience
        let found = try? search.run([address], until: end) { child.isRunning }
        if found != nil { return }
        throw BenchError("\(name) \(child.ended ?? "does not answer datagrams on \(address)")")
    }
}

extension ChildProcess {
    /// How it ended, for people, if it has or does so now.
    fileprivate var ended: String? {
        switch ending(within: .milliseconds(200)) {
        case nil: nil
        // What a shell says: POSIX.1-2017, XCU 2.8.2.
        case .code(127): "has ended with exit code 127: there is no such command"
        case .code(126): "has ended with exit code 126: the command cannot be executed"
        case .code(let code) where code > 128: "has ended by signal \(code - 128)"
        case .code(let code): "has ended with exit code \(code)"
        case .signal(let number): "has ended by signal \(number)"
        case .unknown: "has ended"
        }
    }
}

/// Why a server could not be measured.
package struct BenchError: Error, CustomStringConvertible {
    /// What failed, for people.
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}

extension EchoBench.Server {
    /// It, as reports name it.
    var subject: EchoBench.Subject {
        let detail =
            switch source {
            case .running(let endpoint, _): "\(endpoint)"
            case .announcing(let command): command.joined(separator: " ")
            case .shell(let command, _): command
            }
        return EchoBench.Subject(name: name, kind: kind, detail: detail)
    }

    /// Whether it is asked over UDP, as far as is known before it is started.
    package var isDatagram: Bool {
        switch source {
        case .running(let endpoint, _): endpoint.isDatagram
        case .announcing(let command): command.contains { $0.hasPrefix("udp:") }
        case .shell(_, let isDatagram): isDatagram
        }
    }
}
