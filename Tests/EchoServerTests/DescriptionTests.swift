import EchoServer
import Testing

/// How the library's values look in a log line, in an array and in an optional.
@Suite(.timeLimit(.minutes(5)))
struct DescriptionTests {
    @Test func `no value prints the module's name before the type's, which is the same`() throws {
        let server = try EchoServer()
        let values: [Any] =
            EchoServer.IOModel.allCases + EchoServer.Backend.allCases
            + EchoServer.RejectionReason.allCases + EchoServer.CloseReason.allCases
            + EchoServer.Metric.allCases + EchoServer.Configuration.FullPolicy.allCases
            + EchoServer.Configuration.Splicing.allCases
            + [EchoServer.AdmissionDecision.accept, .reject, .defer] as [Any]
            + [EchoServer.Endpoint.tcp("::1", port: 7), .unix("/run/echo.sock")] as [Any]
            + [server, server.configuration, server.statistics, EchoServer.Failure.Code.system]
        for value in values {
            for text in ["\(value)", String(reflecting: value), "\([value])", "\(value as Any?)"] {
                #expect(!text.contains("EchoServer.EchoServer"), "\(text)")
            }
        }
        #expect("\(server.statistics)".hasPrefix("accepted: 0, active: 0, rejected: [:], "))
    }

    @Test func `a value prints what the command line calls it`() throws {
        #expect("\([EchoServer.IOModel.threadPerClient])" == "[thread-per-client]")
        #expect("\([EchoServer.CloseReason.peerClosed: 1])" == "[peer-closed: 1]")
        #expect("\([EchoServer.Endpoint.tcp("::1", port: 7)])" == "[[::1]:7]")
        #expect("\(try EchoServer())" == "EchoServer(completion-port)")
        let configuration = EchoServer.Configuration(workers: 2)
        let text = "\(configuration)"
        #expect(text.hasPrefix("model: completion-port, listen: [localhost:5150], inherited: [], "))
        #expect(text.contains(", workers: 2, maximumConnections: nil, "))
    }

    @Test func `a failure prints its message`() {
        do throws(EchoServer.Failure) {
            _ = try EchoServer.Endpoint(parsing: "")
        } catch {
            #expect("\(error)" == error.message)
            #expect(String(reflecting: error) == error.message)
            #expect("\([error.code])" == "[invalidEndpoint]")
        }
    }
}
