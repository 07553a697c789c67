// Tests that use the bytes of a load (`PatternBytes`) get them with the load.
@_exported public import EchoClient
package import EchoSockets

extension EchoEndpoint {
    /// The endpoint of a server of the tests, which is never one of UDP.
    package init(stream endpoint: Endpoint) {
        self = EchoEndpoint(endpoint) ?? .unix("")
    }
}
