import EchoServer

/// An echo endpoint in a program that decides itself when to end: here, at the end of standard
/// input.
///
/// It uses no tasks.
@main
struct StartShutdownExample {
    static func main() throws(EchoServer.Failure) {
        let server = try EchoServer(
            configuration: .init(model: .asyncSelect, listen: [.tcp("127.0.0.1", port: 0)])
        )
        for endpoint in try server.start() { print("listening on \(endpoint)") }
        while readLine() != nil {
            print("serving \(server.statistics.active) clients")
        }
        server.shutdownAndWait(drainingFor: .seconds(2))
        print("served \(server.statistics.accepted) clients")
    }
}
