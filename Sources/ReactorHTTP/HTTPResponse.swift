/// What a request is answered with.
package struct HTTPResponse: Sendable {
    /// The status code, RFC 9110 section 15.
    package var status: Int
    /// The value of `Content-Type`.
    package var contentType: String
    /// The content; left out of the answer to `HEAD`.
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

/// What a server does not allow its clients to exceed.
package struct HTTPLimits: Sendable {
    /// Bytes of all headers of a request; a longer one is answered with 400 or 413.
    package var headerBytes = 8192
    /// Bytes of the content of a request; a longer one is answered with 413.
    package var bodyBytes = 1024
    /// Connections open at once; further ones wait in the kernel's queue.
    package var connections = 64
    /// How long a connection may be silent.
    package var silence: Duration = .seconds(5)
    /// How long a connection may last.
    package var lifetime: Duration = .seconds(10)

    /// The standard limits.
    package init() {}
}
