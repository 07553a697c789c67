/// The answer to a request.
package struct HTTPResponse: Sendable {
    /// The status code, RFC 9110 section 15.
    package var status: Int
    /// The value of `Content-Type`.
    package var contentType: String
    /// The content; omitted from the answer to `HEAD`.
    package var body: String

    /// An answer; by default plain text.
    package init(
        status: Int = 200,
        contentType: String = "text/plain; charset=utf-8",
        _ body: String
    ) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }
}

/// When a request is answered.
package enum HTTPReply: Sendable {
    /// Accepts an answer, from any thread; the first counts.
    package typealias Answer = @Sendable (HTTPResponse) -> Void

    /// At once.
    case now(HTTPResponse)
    /// When another thread has the answer, which is requested at once.
    ///
    /// The server's thread does not wait for it. If it has not come after `limit`, `otherwise` is
    /// sent.
    case later(
        within: Duration,
        otherwise: HTTPResponse,
        ask: @Sendable (_ answer: @escaping Answer) -> Void
    )
}

/// The limits that a server sets its clients.
package struct HTTPLimits: Sendable {
    /// Bytes of all headers of a request; a longer one is answered with 400 or 413.
    package var headerBytes = 8192
    /// Bytes of the content of a request; a longer one is answered with 413.
    package var bodyBytes = 1024
    /// Connections open at once; further ones wait in the kernel's queue.
    ///
    /// While some wait, the oldest with incomplete requests are ended.
    package var connections = 64
    /// How long a connection may take for its request before it may be ended in favour of another.
    package var grace: Duration = .milliseconds(100)
    /// How long a connection may be silent.
    package var silence: Duration = .seconds(5)
    /// How long a connection may last.
    package var lifetime: Duration = .seconds(10)

    /// The default limits.
    package init() {}
}
