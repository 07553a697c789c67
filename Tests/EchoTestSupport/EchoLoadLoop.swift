import CEchoLinux
import EchoSockets
import Glibc
import Synchronization

/// The loop of a load: one thread, one epoll descriptor.
@safe final class EchoLoadLoop {
    private let load: EchoLoad
    private let address: SocketAddress
    private let state: EchoLoadState
    private let epoll: Descriptor
    private let buffer: UnsafeMutableRawBufferPointer
    private let events: UnsafeMutableBufferPointer<epoll_event>
    private var report = EchoLoadReport()
    private var started = 0
    private var opening = 0
    private var retriesConnect = false
    private var live: [Int: EchoLoadConnection] = [:]
    private var isPaced = false

    private static let wakeupWord = UInt64.max

    init(_ load: EchoLoad, _ address: SocketAddress, _ state: EchoLoadState) throws(SystemError) {
        self.load = load
        self.address = address
        self.state = state
        let epoll = Descriptor(
            adopting: try systemCall("epoll_create1") { epoll_create1(CInt(EPOLL_CLOEXEC)) }
        )
        unsafe buffer = .allocate(byteCount: 64 * 1024, alignment: 16)
        unsafe events = .allocate(capacity: 256)
        let inner = epoll.rawValue
        self.epoll = epoll
        if case .slowReader = load.behaviour { isPaced = true }
        report.connections = load.connections
        var event = unsafe epoll_event()
        unsafe event.events = EPOLLIN.rawValue
        unsafe event.data.u64 = Self.wakeupWord
        try systemCall("epoll_ctl") {
            unsafe epoll_ctl(inner, EPOLL_CTL_ADD, state.wakeup.number, &event)
        }
    }

    deinit {
        unsafe buffer.deallocate()
        unsafe events.deallocate()
    }

    func run() throws(SystemError) -> EchoLoadReport {
        let end = MonotonicTime.now + load.deadline
        while started < load.connections || !live.isEmpty {
            if state.isStopped.load(ordering: .acquiring) { break }
            try openMore()
            // All that were left could not be opened at all.
            if started == load.connections, live.isEmpty { break }
            let now = MonotonicTime.now
            if now >= end {
                report.timedOut = report.pending > 0
                break
            }
            try turn(within: (end - now).millisecondsRoundedUp)
            publish()
        }
        live.removeAll()
        report.unfinished = report.pending
        publish()
        return report
    }

    private func publish() {
        state.progress.withLock { $0 = report }
    }

    private func turn(within limit: CInt) throws(SystemError) {
        var timeout = limit
        if isPaced || retriesConnect { timeout = min(timeout, 2) }
        let count = try systemCall("epoll_wait") {
            unsafe epoll_wait(epoll.rawValue, events.baseAddress, CInt(events.count), timeout)
        }
        for index in 0..<Int(count) {
            let event = unsafe events[index]
            let word = unsafe event.data.u64
            if word == Self.wakeupWord {
                state.wakeup.clear()
            } else if let connection = live[Int(word)] {
                try handle(connection, unsafe event.events)
            }
        }
        if isPaced { try readPaced() }
    }

    private func openMore() throws(SystemError) {
        retriesConnect = false
        while started < load.connections, opening < load.window {
            let socket = Self.leavingSmallNumbers(try Socket(family: address.family))
            let connection = EchoLoadConnection(load, index: started, socket: socket)
            do {
                connection.isConnecting = try !connection.socket.connect(to: address)
            } catch  where error.errno.isWouldBlock {
                // The queue of a Unix socket is full, unix(7).
                retriesConnect = true
                return
            } catch {
                started += 1
                refuse(error.errno)
                continue
            }
            live[started] = connection
            started += 1
            opening += 1
            if !connection.isConnecting { try begin(connection) } else { try register(connection) }
        }
    }

    // Other tests of this process have servers that use select(2), which takes numbers below 1024.
    private static func leavingSmallNumbers(_ socket: consuming Socket) -> Socket {
        let number = fcntl(socket.number, F_DUPFD_CLOEXEC, 1024)
        return number < 0 ? socket : Socket(Descriptor(adopting: number))
    }

    private func begin(_ connection: EchoLoadConnection) throws(SystemError) {
        connection.isConnecting = false
        report.opened += 1
        if !connection.reads || load.bytes == 0 { opening -= 1 }
        try settle(connection, send(connection))
    }

    private func send(_ connection: EchoLoadConnection) -> EchoLoadConnection.End? {
        let before = connection.sent
        let end = unsafe connection.sendMore(buffer)
        report.bytesSent += connection.sent - before
        return end
    }

    private func handle(_ connection: EchoLoadConnection, _ bits: UInt32) throws(SystemError) {
        let broken = bits & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0
        if connection.isConnecting {
            if let error = connection.socket.takeError() {
                live[connection.index] = nil
                opening -= 1
                return refuse(error)
            }
            return try begin(connection)
        }
        var end: EchoLoadConnection.End?
        if bits & EPOLLOUT.rawValue != 0 { end = send(connection) }
        if end == nil, connection.reads {
            if isPaced, broken {
                // Reported again and again while the slow reader waits: leave it to the clock.
                try detach(connection)
            } else if !isPaced, bits & EPOLLIN.rawValue != 0 || broken {
                end = receive(connection)
            }
        } else if end == nil, broken {
            end = .broken(connection.socket.takeError() ?? Errno(rawValue: EPIPE))
        }
        try settle(connection, end)
    }

    private func receive(_ connection: EchoLoadConnection) -> EchoLoadConnection.End? {
        let before = connection.received
        var end = unsafe connection.receive(buffer)
        let count = connection.received - before
        report.bytesVerified += count
        if before == 0, count > 0 { opening -= 1 }
        if end == nil, count > 0 { end = send(connection) }
        return end
    }

    private func readPaced() throws(SystemError) {
        let now = MonotonicTime.now
        for connection in Array(live.values)
        where !connection.isConnecting && connection.nextRead <= now {
            try settle(connection, receive(connection))
        }
    }

    // Counts a connection's end, or registers what it waits for.
    private func settle(
        _ connection: EchoLoadConnection,
        _ end: EchoLoadConnection.End?
    ) throws(SystemError) {
        guard let end else { return try register(connection) }
        if case .echoed = end, load.staysOpen, !connection.isHeld {
            connection.isHeld = true
            report.echoed += 1
            report.held += 1
            return try register(connection)
        }
        live[connection.index] = nil
        if connection.reads, connection.received == 0, load.bytes > 0 { opening -= 1 }
        if connection.isHeld {
            report.held -= 1
            report.endedByServer += 1
        } else {
            count(end, of: connection)
        }
    }

    private func count(_ end: EchoLoadConnection.End, of connection: EchoLoadConnection) {
        let nothingCame = connection.reads && connection.received == 0
        switch end {
        case .echoed: report.echoed += 1
        case .resetByUs: report.resetByUs += 1
        case .endedEarly where nothingCame, .broken where nothingCame: report.turnedAway += 1
        case .endedEarly: report.endedEarly += 1
        case .broken: report.reset += 1
        case .mismatch(let text):
            report.endedEarly += 1
            if report.firstMismatch == nil { report.firstMismatch = text }
        }
    }

    private func refuse(_ error: Errno) {
        report.refused += 1
        if report.firstRefusal == nil { report.firstRefusal = error.description }
    }

    private func register(_ connection: EchoLoadConnection) throws(SystemError) {
        var wanted: UInt32 = 0
        if connection.reads, !isPaced, !connection.isConnecting { wanted |= EPOLLIN.rawValue }
        if connection.wantsToSend { wanted |= EPOLLOUT.rawValue }
        guard connection.registered != wanted, connection.registered != .max else { return }
        let operation = connection.registered == nil ? EPOLL_CTL_ADD : EPOLL_CTL_MOD
        connection.registered = wanted
        var event = unsafe epoll_event()
        unsafe event.events = wanted
        unsafe event.data.u64 = UInt64(connection.index)
        try systemCall("epoll_ctl") {
            unsafe epoll_ctl(epoll.rawValue, operation, connection.socket.number, &event)
        }
    }

    private func detach(_ connection: EchoLoadConnection) throws(SystemError) {
        connection.registered = .max
        try systemCall("epoll_ctl") {
            epoll_ctl(epoll.rawValue, EPOLL_CTL_DEL, connection.socket.number, nil)
        }
    }
}
