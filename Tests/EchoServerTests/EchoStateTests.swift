import EchoSockets
import Glibc
import Testing

@testable import EchoServer

@Suite(.timeLimit(.minutes(5)))
struct EchoStateTests {
    @Test(arguments: RulesStation.allCases)
    func `each station demands what it should, and a tick in between changes nothing`(
        _ station: RulesStation
    ) {
        var probe = station.probe
        #expect(probe.feed(.tick, at: station.deadline - 1) == station.demand)
        #expect(probe.state.owed == station.owed)
        #expect(probe.state.resetsOnClose == (station.owed > 0))
        #expect(probe.deadline == station.deadline)
    }

    @Test func `rule 1: a partial write of every length leaves exactly the rest owed`() {
        for length in 0...8 {
            for first in 0...length {
                var probe = RulesProbe()
                if length > 0 { probe.feed(.received(length)) }
                let demand = probe.feed(.sent(first))
                #expect(probe.state.owed == length - first)
                #expect(probe.state.sent == UInt64(first))
                #expect(demand.contains(.send) == (first < length))
                #expect(probe.feed(.sent(length - first)) == .receive)
                #expect(probe.state.sent == probe.state.received)
            }
        }
    }

    @Test func `CO-4: after the peer's half-close all that is owed is sent, then it closes`() {
        for owed in 0...8 {
            var probe = RulesProbe()
            if owed > 0 { probe.feed(.received(owed)) }
            #expect(probe.feed(.endOfInput) == (owed == 0 ? .close : .send))
            for left in stride(from: owed - 1, through: 0, by: -1) {
                #expect(probe.feed(.sent(1)) == (left == 0 ? .close : .send))
            }
            #expect(probe.state.closeCause == .peerClosed)
            #expect(!probe.state.resetsOnClose)
        }
    }

    @Test(arguments: [1, 2, 3, 7, 8, 64])
    func `rule 3: at the high-water mark reading stops, below half of it it resumes`(_ limit: Int) {
        var probe = RulesProbe()
        probe.rules.pendingLimit = limit
        for count in 1..<max(limit, 2) where limit > 1 {
            #expect(probe.feed(.received(1)).contains(.receive))
            #expect(probe.state.allowance(probe.rules) == limit - count)
        }
        #expect(probe.feed(.received(1)) == .send)
        #expect(probe.state.isPaused)
        #expect(probe.state.allowance(probe.rules) == 0)
        for owed in stride(from: limit - 1, through: 0, by: -1) {
            let resumed = probe.feed(.sent(1)).contains(.receive)
            #expect(resumed == (owed < max(limit / 2, 1)), "\(owed) of \(limit) owed")
        }
    }

    @Test func `rule 3: once resumed, it is read up to the high-water mark again`() {
        var probe = RulesProbe()
        probe.feed(.received(8))
        #expect(probe.feed(.sent(4)) == .send)
        #expect(probe.feed(.sent(1)) == [.send, .receive])
        #expect(probe.feed(.received(4)) == [.send, .receive])
        #expect(probe.feed(.received(1)) == .send)
    }

    @Test(
        arguments: RulesStation.allCases,
        [
            (ECONNRESET, EchoServer.CloseReason.reset), (ECONNABORTED, .reset), (EPIPE, .reset),
            (ETIMEDOUT, .peerLost), (EHOSTUNREACH, .peerLost), (ENOBUFS, .failed),
        ]
    )
    func `rule 4: a failure closes, counted by cause; after our end of stream it is no failure`(
        _ station: RulesStation,
        _ failure: (errno: CInt, cause: EchoServer.CloseReason)
    ) {
        var probe = station.probe
        #expect(probe.feed(.failed(Errno(rawValue: failure.errno))) == .close)
        #expect(probe.state.closeCause == (station == .lingering ? .drained : failure.cause))
        #expect(probe.state.resetsOnClose == (station.owed > 0))
        #expect(probe.deadline == nil)
    }

    @Test(arguments: RulesStation.allCases)
    func `abort closes at once, with a reset if bytes are owed`(_ station: RulesStation) {
        var probe = station.probe
        #expect(probe.feed(.abort) == .close)
        #expect(probe.state.closeCause == (station == .lingering ? .drained : .aborted))
        #expect(probe.state.resetsOnClose == (station.owed > 0))
    }

    @Test(arguments: RulesStation.allCases)
    func `nothing follows a close`(_ station: RulesStation) {
        let events: [EchoState.Event] = [
            .received(1), .endOfInput, .sent(1), .failed(Errno(rawValue: EPIPE)), .tick, .drain,
            .finish, .abort,
        ]
        for event in events {
            var probe = station.probe
            probe.feed(.abort)
            let (cause, owed) = (probe.state.closeCause, probe.state.owed)
            #expect(probe.feed(event, at: 10_000) == .close)
            #expect(probe.state.closeCause == cause)
            #expect(probe.state.owed == owed)
            #expect(probe.deadline == nil)
        }
    }
}

@Suite(.timeLimit(.minutes(5)))
struct EchoStateTimeTests {
    @Test(arguments: RulesStation.allCases)
    func `rule 7: a deadline ends each station in its way`(_ station: RulesStation) {
        var probe = station.probe
        let demand = probe.feed(.tick, at: station.deadline)
        switch station {
        case .fresh, .drainingQuiet:
            #expect(demand == [.shutdownSend, .receive])
            #expect(probe.deadline == station.deadline + 1000)
            #expect(probe.feed(.endOfInput, at: station.deadline + 1) == .close)
            #expect(probe.state.closeCause == (station == .fresh ? .idleTimeout : .drained))
        case .lingering:
            #expect(demand == .close)
            #expect(probe.state.closeCause == .drained)
        case .owing, .paused, .inputEnded, .finishing, .drainingOwing:
            #expect(demand == .close)
            #expect(probe.state.closeCause == .idleTimeout)
            #expect(probe.state.resetsOnClose)
        }
    }

    @Test(arguments: RulesStation.allCases, [EchoState.Event.tick, .drain])
    func `a server that was held up looks at the socket before it ends a connection`(
        _ station: RulesStation,
        _ event: EchoState.Event
    ) {
        let original = station.probe
        for isReady in [false, true] {
            for moment in [199, 999, 1000] {
                var (looked, blind) = (original, original)
                var asked: [EchoState.Demand] = []
                let now = RulesProbe.moment(moment)
                let demand = looked.state.check(event, at: now, looked.rules) { demand, _ in
                    asked.append(demand)
                    return isReady
                }
                let unseen = blind.feed(event, at: moment)
                let ends = blind.state.isClosed || unseen.contains(.shutdownSend)
                // Our end of stream is sent: the peer has been given everything.
                guard station != .lingering else {
                    #expect(asked.isEmpty && demand == unseen)
                    continue
                }
                #expect(asked == (ends ? [station.demand] : []), "\(moment)")
                #expect(demand == (ends && isReady ? station.demand : unseen), "\(moment)")
                if ends && isReady { #expect(looked.deadline ?? .max > moment) }
            }
        }
    }

    @Test(arguments: RulesStation.allCases)
    func `rule 8: without an idle timeout only draining and lingering have a deadline`(
        _ station: RulesStation
    ) {
        var probe = station.probe
        probe.rules.idleTimeout = nil
        switch station {
        case .drainingQuiet: #expect(probe.deadline == 200)
        case .lingering: #expect(probe.deadline == 1000)
        case .fresh, .owing, .paused, .inputEnded, .finishing, .drainingOwing:
            #expect(probe.deadline == nil)
            #expect(probe.feed(.tick, at: 1_000_000_000) == station.demand)
        }
    }

    @Test func `rule 7: progress in either direction puts the idle deadline off`() {
        var probe = RulesProbe()
        #expect(probe.deadline == 1000)
        probe.feed(.received(2), at: 10)
        #expect(probe.deadline == 1010)
        probe.feed(.sent(1), at: 20)
        #expect(probe.deadline == 1020)
        probe.feed(.sent(0), at: 30)
        #expect(probe.deadline == 1020, "nothing was sent")
        probe.feed(.tick, at: 40)
        #expect(probe.deadline == 1020, "time is not progress")
    }

    @Test func `draining: served until quiet, then our end of stream, then the peer's`() {
        var probe = RulesProbe()
        probe.feed(.received(1), at: 100)
        #expect(probe.feed(.drain, at: 150) == [.send, .receive])
        #expect(probe.feed(.sent(1), at: 160) == .receive)
        #expect(probe.deadline == 360)
        #expect(probe.feed(.received(2), at: 350) == [.send, .receive])
        #expect(probe.feed(.sent(2), at: 351) == .receive)
        #expect(probe.feed(.tick, at: 550) == .receive)
        #expect(probe.feed(.tick, at: 551) == [.shutdownSend, .receive])
        #expect(probe.feed(.endOfInput, at: 552) == .close)
        #expect(probe.state.closeCause == .drained)
    }

    @Test func `draining: a connection quiet for long is finished at once`() {
        var probe = RulesProbe()
        #expect(probe.feed(.drain, at: 200) == [.shutdownSend, .receive])
    }

    @Test func `PF-21: bytes that arrive after our end of stream are taken in and thrown away`() {
        var probe = RulesProbe()
        probe.feed(.received(2))
        #expect(probe.feed(.finish) == .send)
        #expect(probe.feed(.sent(2), at: 5) == [.shutdownSend, .receive])
        #expect(probe.state.discardsInput)
        #expect(probe.state.allowance(probe.rules) == 8)
        #expect(probe.feed(.received(8), at: 900) == .receive)
        #expect(probe.state.received == 2)
        #expect(probe.deadline == 1005, "what the peer sends does not prolong the lingering")
        #expect(probe.feed(.tick, at: 1005) == .close)
        #expect(probe.state.closeCause == .drained)
    }

    @Test func `finishing does not change how a connection whose peer has ended closes`() {
        var probe = RulesStation.inputEnded.probe
        #expect(probe.feed(.finish) == .send)
        #expect(probe.feed(.drain) == .send)
        #expect(probe.feed(.sent(3)) == .close)
        #expect(probe.state.closeCause == .peerClosed)
    }
}
