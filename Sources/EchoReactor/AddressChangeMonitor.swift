import EchoSockets
import EchoWinsock

/// Tells the sockets of a loop, once each time they ask, that the host's addresses or routes have
/// changed.
///
/// Exists only while a socket waits for that.
@safe
final class AddressChangeMonitor {
    private var routes: RouteSocket?
    private var watch: Watch?
    private unowned let loop: EventLoop
    private var waiting: [Unmanaged<SelectableSocket>] = unsafe []

    init(_ loop: EventLoop) throws(ReactorError) {
        self.loop = loop
        do {
            routes = try RouteSocket()
        } catch {
            throw .system(error)
        }
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        let watch = unsafe try Watch(
            loop,
            descriptor: routes?.number ?? -1,
            .read,
            persistent: true,
            context: context
        ) { _, _, context in
            guard let context = unsafe context else { return }
            // A strong reference: the last notification ends the monitor.
            unsafe Unmanaged<AddressChangeMonitor>.fromOpaque(context).takeUnretainedValue()
                .changed()
        }
        try watch.add()
        self.watch = consume watch
    }

    deinit {
        watch = nil
    }

    func add(_ socket: SelectableSocket) {
        unsafe waiting.append(.passUnretained(socket))
    }

    func remove(_ socket: SelectableSocket) {
        unsafe waiting.removeAll { unsafe $0.takeUnretainedValue() === socket }
        if unsafe waiting.isEmpty { loop.addressChanges = nil }
    }

    private func changed() {
        let changes = routes?.takeChanges() ?? []
        var events: NetworkEvents = []
        if changes.contains(.addresses) { events.insert(.addressListChange) }
        if changes.contains(.routes) { events.insert(.routingInterfaceChange) }
        // A copy: those that were told leave.
        let sockets = unsafe waiting
        for index in unsafe sockets.indices {
            unsafe sockets[index].takeUnretainedValue().hostChanged(events)
        }
    }
}

extension SelectableSocket {
    /// Has the next change of the host's addresses told once.
    ///
    /// The corresponding call is `WSAIoctl` with `SIO_ADDRESS_LIST_CHANGE`.
    ///
    /// Several changes at once are one event; after it, nothing until the next call (AS-13).
    ///
    /// - Throws: `socketClosed`, or why the kernel cannot be asked.
    package final func armAddressListChange() throws(ReactorError) {
        try arm(.addressListChange)
    }

    /// Has the next change of the host's routes told once.
    ///
    /// The corresponding call is `WSAIoctl` with `SIO_ROUTING_INTERFACE_CHANGE`.
    ///
    /// Any route's change counts, not only that of the route to one destination.
    ///
    /// - Throws: `socketClosed`, or why the kernel cannot be asked.
    package final func armRoutingInterfaceChange() throws(ReactorError) {
        try arm(.routingInterfaceChange)
    }

    private final func arm(_ event: NetworkEvents) throws(ReactorError) {
        guard !isClosed else { throw .socketClosed }
        silenced.remove(event)
        if armed.isEmpty {
            if loop.addressChanges == nil { loop.addressChanges = try AddressChangeMonitor(loop) }
            loop.addressChanges?.add(self)
        }
        armed.insert(event)
    }

    fileprivate final func hostChanged(_ events: NetworkEvents) {
        let due = armed.intersection(events)
        guard !due.isEmpty else { return }
        report(due, now: false)
        armed.subtract(due)
        if armed.isEmpty { loop.addressChanges?.remove(self) }
    }

    final func disarmChanges() {
        guard !armed.isEmpty else { return }
        armed = []
        loop.addressChanges?.remove(self)
    }
}
