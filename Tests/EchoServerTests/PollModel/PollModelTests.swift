import EchoServer
import Testing

/// An eighth model, as on the page "Adding a model": served by ``PollModel``, the tests of all
/// models must pass.
///
/// Which other model a test is given does not matter, as long as the test expects nothing special
/// of it.
@Suite(.timeLimit(.minutes(5)))
struct PollModelTests {
    private let model = EchoServer.IOModel.eventSelect

    private func served(_ body: () async throws -> Void) async throws {
        try await ServedBy.$implementation.withValue(PollModel.self) { try await body() }
    }

    @Test func `every byte comes back`() async throws {
        try await served {
            try await EchoTests().`sizes around every power of two come back`(model)
            try await EchoTests().`all of 8 MiB comes back after a half-close`(model)
            try await EchoTests().`all of 8 MiB comes back to a slow reader`(model)
            try await EchoTests().`a half-close right after the data loses nothing`(model)
            try await EchoTests().`one server serves IPv4, IPv6, a Unix socket and an abstract one`(
                model
            )
            try await EchoTests().`200 connections at once get their own bytes`(model)
        }
    }

    @Test func `readers that do not read are held back, and delay nobody`() async throws {
        try await served {
            try await PressureTests().`each connection at the mark is counted`(model)
            try await PressureTests().`a connection owes no more than its limit`(model)
            try await PressureTests().`a connection is read on until it owes its limit`(model)
            try await PressureTests().`readers that never read delay nobody`(model)
            try await PressureTests().`a connection that was paused goes on when its peer reads`(
                model
            )
        }
    }

    @Test func `idle connections end`() async throws {
        try await served {
            try await IdleTimeoutTests()
                .`a connection on which nothing moves is ended in good order`(
                    model
                )
            try await IdleTimeoutTests().`a connection that never says anything is ended too`(model)
            try await IdleTimeoutTests().`a peer that does not read is cut off`(model)
        }
    }

    @Test func `the limits and the accept condition hold`() async throws {
        try await served {
            try await FullTests().`a full server resets further connections, until one leaves`(
                model
            )
            try await FullTests().`when full defers, the queued are served in their turn`(model)
            try await AcceptConditionTests()
                .`SEL-10: a deferred connection keeps its place before later ones`(model)
        }
    }

    @Test func `it drains`() async throws {
        try await served {
            try await DrainTests().`an idle connection is ended at once, in good order`(model)
            try await DrainTests().`connections still queued are served`(model)
            try await DrainTests().`a drain timeout of zero closes everything at once`(model)
            try await DrainTests().`a reader that never reads is cut at the deadline`(model)
        }
    }

    @Test func `it answers heartbeats, and says when one of its loops hangs`() async throws {
        try await served {
            try await ResponsivenessTests()
                .`a server that serves nobody, many idle clients or busy ones is responsive`(model)
            try await ResponsivenessTests().`a server of which one loop hangs is not`(model)
        }
    }
}
