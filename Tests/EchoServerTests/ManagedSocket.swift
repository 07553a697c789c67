import EchoServer
import EchoSockets
import Glibc

/// A listening socket that a service manager keeps, and passes to one server after another.
final class ManagedSocket: Sendable {
    let address: SocketAddress
    private let descriptor: Descriptor

    init(_ wanted: SocketAddress, protocolNumber: CInt = 0) throws {
        let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let number = try systemCall("socket") { socket(wanted.family, type, protocolNumber) }
        descriptor = Descriptor(adopting: number)
        try systemCall("bind") { unsafe wanted.withSockaddr { unsafe bind(number, $0, $1) } }
        try systemCall("listen") { listen(number, SOMAXCONN) }
        address = try ListeningDescriptor(checking: number).address
    }

    /// What a server gets of it.
    func pass() throws -> EchoServer.InheritedSocket {
        try EchoServer.InheritedSocket(descriptor: descriptor.duplicate().release(), name: "test")
    }
}

/// A server that serves nothing but these sockets.
func serving(
    _ sockets: [ManagedSocket],
    _ model: EchoServer.IOModel,
    _ configure: (inout EchoServer.Configuration) -> Void = { _ in }
) throws -> EchoServer {
    var configuration = EchoServer.Configuration(model: model, listen: [])
    configuration.inherited = try sockets.map { try $0.pass() }
    configure(&configuration)
    let server = try EchoServer(configuration: configuration)
    try server.start()
    return server
}
