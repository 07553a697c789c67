// Tests that use the bytes of a load (`PatternBytes`) get them with the load.
@_exported public import EchoClient
package import EchoSockets

extension EchoEndpoint {
    /// The endpoint of a server of the tests, which is never one of UDP.
    package init(stream endpoint: Endpoint) {
        self.init(endpoint: endpoint)
    }
}

extension EchoCheck {
    /// The checks of connections.
    package static let streamChecks = checks(for: .tcp("localhost", port: 7))
    /// The checks of UDP.
    package static let datagramChecks = checks(for: .udp("localhost", port: 7))
}
