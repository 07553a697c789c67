package import EchoSockets

/// One exchange with an HTTP server, over a connection of its own.
package struct HTTPExchange: Sendable {
    /// The status code; `nil` if what came back is no answer.
    package let status: Int?
    /// The header fields, by their names in small letters.
    package let fields: [String: String]
    /// What came after them.
    package let body: String

    /// Sends a request, and takes what comes back until the connection ends.
    ///
    /// - Parameters:
    ///   - request: a path, for `GET`; or all of a request.
    ///   - address: the server.
    /// - Throws: if there is no connection, or nothing happens in time.
    package init(_ request: String, with address: SocketAddress) async throws {
        let client = try await TestClient(to: address)
        defer { client.close() }
        let text = request.hasPrefix("/") ? "GET \(request) HTTP/1.1\r\nHost: x\r\n\r\n" : request
        // A server that has answered may have closed before it was sent everything.
        try? await client.send(Array(text.utf8))
        let answer = try await client.receiveToEnd().bytes
        self.init(String(decoding: answer, as: UTF8.self))
    }

    private init(_ answer: String) {
        let lines = answer.split(separator: "\r\n", omittingEmptySubsequences: false)
        let end = lines.firstIndex(of: "") ?? lines.endIndex
        status = lines.first.flatMap { $0.split(separator: " ").dropFirst().first }.flatMap {
            Int($0)
        }
        var fields: [String: String] = [:]
        for line in lines[..<end].dropFirst() {
            let parts = line.split(separator: ": ", maxSplits: 1)
            if parts.count == 2 { fields[parts[0].lowercased()] = String(parts[1]) }
        }
        self.fields = fields
        body = lines[end...].dropFirst().joined(separator: "\r\n")
    }
}
