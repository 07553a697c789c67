import EchoSockets
import EchoWinsock

/// Notifies members of a loop of changes of the host's addresses or routes.
///
/// Has a descriptor only while a member waits.
@safe
final class AddressChangeMonitor {
    private let base: EventBase
    private var routes: RouteSocket?
    private var watch: Watch?
    private var waiting: [Unmanaged<LoopMember>] = unsafe []

    init(_ base: EventBase) {
        self.base = base
    }

    deinit {
        stop()
    }

    /// Whether any member waits.
    var isWatching: Bool { unsafe !waiting.isEmpty }

    /// Starts notifying a member.
    func add(_ member: LoopMember) throws(SystemError) {
        if !isWatching { try start() }
        unsafe waiting.append(.passUnretained(member))
    }

    /// Stops notifying a member.
    func remove(_ member: LoopMember) {
        unsafe waiting.removeAll { unsafe $0.takeUnretainedValue() === member }
        if !isWatching { stop() }
    }

    private func start() throws(SystemError) {
        let routes = try RouteSocket()
        let watch = unsafe try Watch(
            base,
            descriptor: routes.number,
            .read,
            persistent: true,
            context: Unmanaged.passUnretained(self).toOpaque()
        ) { _, _, context in
            guard let context = unsafe context else { return }
            unsafe Unmanaged<AddressChangeMonitor>.fromOpaque(context)
                ._withUnsafeGuaranteedRef { $0.changed() }
        }
        try watch.add()
        self.watch = consume watch
        self.routes = consume routes
    }

    // The watch before its descriptor (PF-9).
    private func stop() {
        watch = nil
        routes = nil
    }

    private func changed() {
        let changes = routes?.takeChanges() ?? []
        var events: NetworkEvents = []
        if changes.contains(.addresses) { events.insert(.addressListChange) }
        if changes.contains(.routes) { events.insert(.routingInterfaceChange) }
        // A copy, because notified members leave the list.
        let members = unsafe waiting
        for index in unsafe members.indices {
            unsafe members[index].takeUnretainedValue().hostChanged(events)
        }
    }
}
