import EchoClient
import Testing
import YourServer

@Test func `the server loses, changes and mixes up nothing`() async throws {
    let server = try YourServer()
    let report = try await EchoCheck(.tcp("127.0.0.1", port: server.port)).run()
    for result in report.results where result.outcome == .failed {
        Issue.record("\(result.check): \(result.evidence)")
    }
}
