import EchoServer

/// The models that exist; all of them, once all do.
let allModels = EchoServer.IOModel.allCases.filter(isAvailable)

private func isAvailable(_ model: EchoServer.IOModel) -> Bool {
    do {
        let endpoint = EchoServer.Endpoint.tcp("127.0.0.1", port: 0)
        try EchoServer(configuration: .init(model: model, listen: [endpoint])).start()
        return true
    } catch {
        return (error as? EchoServer.Failure)?.code != .modelUnavailable
    }
}
