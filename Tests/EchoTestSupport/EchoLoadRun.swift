import EchoClient
import EchoSockets
import Glibc

/// A load on the thread of its loop: opens the connections, and counts what becomes of them.
final class EchoLoadRun {
    private let loop: ClientLoop
    private let load: EchoLoad
    private let address: SocketAddress
    private var report = EchoLoadReport()
    private var started = 0
    private var opening = 0
    private var isQueueFull = false
    private var live: [Int: EchoLoadConnection] = [:]

    init(_ loop: ClientLoop, _ load: EchoLoad, _ address: SocketAddress) {
        self.loop = loop
        self.load = load
        self.address = address
        report.connections = load.connections
    }

    /// Runs the load to its end; blocks.
    ///
    /// - Parameter publish: given what has come of it so far, after each turn of the loop.
    /// - Returns: what came of it.
    /// - Throws: what `socket` gave.
    func run(publishing publish: (EchoLoadReport) -> Void) throws(SystemError) -> EchoLoadReport {
        defer { closeAll() }
        var failure: SystemError?
        loop.run(until: .now + load.deadline) {
            do throws(SystemError) {
                try openMore()
            } catch {
                failure = error
            }
            publish(report)
            return failure != nil || started == load.connections && live.isEmpty
        }
        if let failure { throw failure }
        report.unfinished = report.pending
        report.timedOut = report.pending > 0 && !loop.isStopped
        publish(report)
        return report
    }

    private func openMore() throws(SystemError) {
        while started < load.connections, opening < load.window, !isQueueFull {
            let socket = Self.leavingSmallNumbers(try Socket(family: address.family))
            let connection = EchoLoadConnection(loop, load, index: started, user: self)
            live[started] = connection
            opening += 1
            started += 1
            if !connection.open(socket, to: address) { takeBack(connection) }
        }
    }

    // Where the queue of a Unix socket is full, nothing says when it is not any more.
    private func takeBack(_ connection: EchoLoadConnection) {
        connection.close()
        live[connection.index] = nil
        opening -= 1
        started -= 1
        isQueueFull = true
        loop.at(.now + .milliseconds(2)) { [weak self] in self?.isQueueFull = false }
    }

    // Other tests of this process have servers that use select(2), which takes numbers below 1024.
    private static func leavingSmallNumbers(_ socket: consuming Socket) -> Socket {
        let number = fcntl(socket.number, F_DUPFD_CLOEXEC, 1024)
        return number < 0 ? socket : Socket(Descriptor(adopting: number))
    }

    private func closeAll() {
        for connection in live.values { connection.close() }
        live = [:]
    }
}

extension EchoLoadRun: EchoLoadConnectionUser {
    func opened(_ connection: EchoLoadConnection) {
        report.opened += 1
        if !connection.reads || load.bytes == 0 { opening -= 1 }
    }

    func sent(_ count: Int) {
        report.bytesSent += count
    }

    func verified(_ count: Int, isFirst: Bool) {
        report.bytesVerified += count
        if isFirst { opening -= 1 }
    }

    func held(_: EchoLoadConnection) {
        report.echoed += 1
        report.held += 1
    }

    func ended(_ connection: EchoLoadConnection, _ end: EchoLoadConnection.End) {
        live[connection.index] = nil
        var isOpening = connection.isSilent && load.bytes > 0
        if case .refused = end { isOpening = true }
        if isOpening { opening -= 1 }
        if connection.isHeld {
            report.held -= 1
            report.endedByServer += 1
        } else {
            report.count(end, wasSilent: connection.isSilent)
        }
    }
}

extension EchoLoadReport {
    fileprivate mutating func count(_ end: EchoLoadConnection.End, wasSilent: Bool) {
        switch end {
        case .refused(let error):
            refused += 1
            if firstRefusal == nil { firstRefusal = error.description }
        case .echoed: echoed += 1
        case .resetByUs: resetByUs += 1
        case .endedEarly where wasSilent, .broken where wasSilent: turnedAway += 1
        case .endedEarly: endedEarly += 1
        case .broken: reset += 1
        case .mismatch(let text):
            endedEarly += 1
            if firstMismatch == nil { firstMismatch = text }
        }
    }
}
