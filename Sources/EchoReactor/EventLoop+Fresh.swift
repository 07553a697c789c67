// The sockets that a turn has brought something to, in a list through the sockets themselves: what
// one turn brings to a socket is told together, and in order (AS-9).
extension EventLoop {
    /// Puts a socket at the end of the list.
    func addFresh(_ socket: SelectableSocket) {
        let reference = unsafe Unmanaged.passUnretained(socket)
        if let last = unsafe lastFresh {
            unsafe last._withUnsafeGuaranteedRef { unsafe $0.nextFresh = unsafe reference }
        } else {
            unsafe firstFresh = unsafe reference
        }
        unsafe lastFresh = unsafe reference
    }

    /// Takes one socket out of the list.
    func dropFresh(_ socket: SelectableSocket) {
        var kept = unsafe firstFresh
        unsafe firstFresh = nil
        unsafe lastFresh = nil
        while let reference = unsafe kept {
            let current = unsafe reference.takeUnretainedValue()
            unsafe kept = unsafe current.nextFresh
            unsafe current.nextFresh = nil
            if current !== socket { addFresh(current) }
        }
    }

    /// Has all of them tell their news.
    func tellFresh() {
        while let reference = unsafe firstFresh {
            unsafe reference._withUnsafeGuaranteedRef { socket in
                unsafe firstFresh = unsafe socket.nextFresh
                unsafe socket.nextFresh = nil
                socket.tellFresh()
            }
        }
        unsafe lastFresh = nil
    }

    /// Whether any has news.
    var hasFresh: Bool { unsafe firstFresh != nil }
}
