// Tests that use the bytes of a load (`PatternBytes`) get them with the load.
@_exported public import EchoClient

extension EchoCheck {
    /// The checks of connections.
    package static let streamChecks = checks(for: .tcp("localhost", port: 7))
    /// The checks of UDP.
    package static let datagramChecks = checks(for: .udp("localhost", port: 7))
}
