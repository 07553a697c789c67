package import EchoSockets
import EchoWinsock
import Glibc

extension SelectableSocket {
    /// Reports the next change of the host's addresses once.
    ///
    /// The corresponding call is `WSAIoctl` with `SIO_ADDRESS_LIST_CHANGE`.
    ///
    /// Several changes at once are one event; after it, nothing until the next call (AS-13).
    ///
    /// - Throws: `ENOTSOCK` once closed, or why the kernel cannot be monitored.
    package final func armAddressListChange() throws(SystemError) {
        try arm(.addressListChange)
    }

    /// Reports the next change of the host's routes once.
    ///
    /// The corresponding call is `WSAIoctl` with `SIO_ROUTING_INTERFACE_CHANGE`.
    ///
    /// Any route's change counts, not only that of the route to one destination.
    ///
    /// - Throws: `ENOTSOCK` once closed, or why the kernel cannot be monitored.
    package final func armRoutingInterfaceChange() throws(SystemError) {
        try arm(.routingInterfaceChange)
    }

    private final func arm(_ event: NetworkEvents) throws(SystemError) {
        guard !isClosed else { throw SystemError(call: "WSAIoctl", errno: .notASocket) }
        silenced.remove(event)
        if armed.isEmpty { try loop.addressChanges.add(self) }
        armed.insert(event)
    }
}
