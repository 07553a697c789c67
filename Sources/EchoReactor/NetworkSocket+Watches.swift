import EchoSockets
import EchoWinsock
import Glibc

extension NetworkSocket {
    /// The watch for bytes; not always added.
    func makeReadWatch() throws(SystemError) -> Watch {
        unsafe try Watch(
            loop.base,
            descriptor: number,
            .read,
            persistent: true,
            context: Unmanaged.passUnretained(self).toOpaque(),
            callback: socketReadable
        )
    }

    /// Watches for bytes while they are wanted and none are left from before.
    ///
    /// Remaining bytes do not end it: the watch is removed only when more come (``readable()``), so
    /// that applications that receive in time pay nothing.
    func updateReading() throws(SystemError) {
        let isSelected = !selection.isDisjoint(with: [.read, .close])
        let canRead = connectionPhase == .connected && !hasEnded && isSelected
        if canRead && ahead.isEmpty && !isReading {
            try readWatch?.add()
            isReading = true
        } else if !canRead && isReading {
            pauseReading()
        }
    }

    /// Watches for bytes again; if the kernel refuses, the connection ends for the application.
    func resumeReading() {
        do {
            try updateReading()
        } catch {
            end(error.errno)
        }
    }

    /// Stops watching for bytes.
    func pauseReading() {
        readWatch?.remove()
        isReading = false
    }

    /// Watches once for room to send, or for the end of a connection attempt.
    func armWrite() throws(SystemError) {
        let watches = makeRareWatches()
        if watches.write == nil, number >= 0 {
            let context = unsafe Unmanaged.passUnretained(self).toOpaque()
            watches.write = unsafe try Watch(
                loop.base,
                descriptor: number,
                .write,
                persistent: false,
                context: context,
                callback: socketWritable
            )
        }
        try watches.write?.add()
    }

    /// Watches for urgent data if that is selected and kept out of the stream (AS-12).
    func updateUrgent() throws(SystemError) {
        guard selection.contains(.outOfBand), !isUrgentInline else {
            rareWatches?.dropUrgent()
            return
        }
        let watches = makeRareWatches()
        guard watches.urgentWatch == nil, number >= 0 else { return }
        watches.urgent = try withSocket { (socket) throws(SystemError) in
            try UrgentReadiness(of: socket)
        }
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        watches.urgentWatch = unsafe try Watch(
            loop.base,
            descriptor: watches.urgent?.number ?? -1,
            .read,
            persistent: true,
            context: context,
            callback: socketUrgent
        )
        try watches.urgentWatch?.add()
    }

    private func makeRareWatches() -> RareWatches {
        let watches = rareWatches ?? RareWatches()
        rareWatches = watches
        return watches
    }

    var isUrgentInline: Bool {
        withSocket { (try? $0.option(level: SOL_SOCKET, SO_OOBINLINE)) == 1 } ?? true
    }

    /// Whether an urgent byte waits to be received.
    var hasUrgentByte: Bool {
        !isUrgentInline && withSocket { $0.poll(CInt(POLLPRI)) } == true
    }
}

// What the watches call. None of this runs the application's code, so the socket lives throughout.
extension NetworkSocket {
    /// Reads ahead; but if bytes are left from before, waits until they have been taken (PF-12).
    fileprivate func readable() {
        guard ahead.isEmpty else { return pauseReading() }
        if isSpliced { return readableUnread() }
        report(fillAhead(), now: false)
    }

    /// The same, but leaves bytes where they are: where there are any, it is certainly no end.
    @inline(never)
    private func readableUnread() {
        if silenced.contains(.read) { return pauseReading() }
        let hasBytes = selection.contains(.read) && withSocket { $0.unreadByteCount > 0 } == true
        report(hasBytes ? .read : fillAhead(), now: false)
    }

    /// Notes that nothing more will be received, and reports it.
    func end(_ error: Errno?) {
        report(noteEnd(error), now: false)
    }

    fileprivate func writable() {
        if connectionPhase == .connecting { return finishConnecting() }
        isSendBlocked = false
        silenced.subtract(.write)
        report(.write, now: false)
    }

    fileprivate func urgent() {
        if rareWatches?.urgent?.take() == true { report(.outOfBand, now: false) }
    }
}

private func socketReadable(_: CInt, _: Int16, _ context: UnsafeMutableRawPointer?) {
    guard let context = unsafe context else { return }
    unsafe Unmanaged<NetworkSocket>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.readable() }
}

private func socketWritable(_: CInt, _: Int16, _ context: UnsafeMutableRawPointer?) {
    guard let context = unsafe context else { return }
    unsafe Unmanaged<NetworkSocket>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.writable() }
}

private func socketUrgent(_: CInt, _: Int16, _ context: UnsafeMutableRawPointer?) {
    guard let context = unsafe context else { return }
    unsafe Unmanaged<NetworkSocket>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.urgent() }
}
