import EchoSockets
import Glibc
import Testing

@testable import EchoServer

/// A connection of a ``CompletionEcho`` whose transport is written down beforehand, driven as the
/// models drive it.
@safe private final class EchoProbe {
    private var echo: CompletionEcho
    let rules: EchoRules
    let now = MonotonicTime(nanoseconds: 0)
    /// Everything the transport has taken.
    private(set) var sent: [UInt8] = []
    /// What lies where the echo has put it, and how much of that send has been taken.
    private var underWay: UnsafeRawBufferPointer?
    private var taken = 0
    private(set) var receiveLimit: Int?
    private(set) var shutdowns = 0
    private(set) var wasReset: Bool?
    private(set) var violations: [String] = []

    init(limit: Int = 16) {
        rules = EchoRules(pendingLimit: limit, idleTimeout: .seconds(60))
        echo = CompletionEcho(at: now)
        unsafe underWay = nil
        perform(echo.next(rules), atOnce: 0)
    }

    var state: EchoState { echo.state }
    var owed: [UInt8] { echo.owed }
    var isClosed: Bool { echo.isClosed }
    func hasPaused() -> Bool { echo.hasPaused() }

    var isSending: Bool { unsafe underWay != nil }

    /// A receive completes; of a send that follows so much is taken at once.
    func receive(_ bytes: [UInt8], atOnce: Int) {
        guard let limit = receiveLimit, bytes.count <= limit else {
            violations.append("not asked to receive so much")
            return
        }
        receiveLimit = nil
        let action = unsafe bytes.withUnsafeBytes { buffer in
            let action = unsafe echo.received(buffer, at: now, rules)
            guard case .send(let sending) = action else { return action }
            return unsafe send(sending, atOnce: atOnce)
        }
        perform(action, atOnce: atOnce)
    }

    func end() {
        receiveLimit = nil
        perform(echo.endOfInput(at: now, rules), atOnce: .max)
    }

    func fail(_ errno: CInt) {
        perform(echo.failed(Errno(rawValue: errno), at: now, rules), atOnce: .max)
    }

    func tell(_ event: EchoState.Event, at time: MonotonicTime? = nil, atOnce: Int = .max) {
        perform(echo.check(event, at: time ?? now, rules) { _, _ in false }, atOnce: atOnce)
    }

    /// The transport takes so much more of the send under way; it completes if that is all.
    func drain(_ count: Int, atOnce: Int = .max) {
        guard let rest = unsafe underWay else { return }
        let part = unsafe rest.prefix(count)
        unsafe sent += part
        taken += unsafe part.count
        if unsafe part.count < rest.count {
            unsafe underWay = UnsafeRawBufferPointer(rebasing: rest.dropFirst(part.count))
            _ = echo.progressed(to: taken, at: now, rules)
        } else {
            unsafe underWay = nil
            perform(echo.sent(taken, at: now, rules), atOnce: atOnce)
        }
        check()
    }

    private func send(
        _ bytes: UnsafeRawBufferPointer,
        atOnce: Int
    ) -> CompletionEcho.Action {
        if isSending { violations.append("two sends at once") }
        let part = unsafe bytes.prefix(atOnce)
        unsafe sent += part
        taken = unsafe part.count
        if taken == bytes.count { return echo.sent(taken, at: now, rules) }
        unsafe underWay = echo.keepUnsent(UnsafeRawBufferPointer(rebasing: bytes[taken...]))
        _ = echo.progressed(to: taken, at: now, rules)
        return echo.next(rules)
    }

    private func perform(_ first: CompletionEcho.Action, atOnce: Int) {
        var action = first
        while true {
            switch action {
            case .receive(let limit):
                if receiveLimit != nil || limit < 1 { violations.append("receive of \(limit)") }
                receiveLimit = limit
                action = echo.next(rules)
            case .send(let bytes): action = unsafe send(bytes, atOnce: atOnce)
            case .shutDownSending:
                shutdowns += 1
                action = echo.next(rules)
            case .close(let resetting):
                if wasReset != nil { violations.append("closed twice") }
                wasReset = resetting
                action = echo.next(rules)
            case .nothing: return check()
            }
        }
    }

    private func check() {
        if wasReset != nil { return }
        if echo.owed.count != echo.state.owed {
            violations.append("owes \(echo.state.owed), has \(echo.owed.count)")
        }
        if echo.state.owed > rules.pendingLimit { violations.append("more than the limit") }
        if !isSending, echo.state.owed > 0 { violations.append("owes and does not send") }
    }
}

private func payload(_ count: Int, from start: Int = 0) -> [UInt8] {
    (start..<(start + count)).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 1) }
}

@Suite(.timeLimit(.minutes(5)))
struct CompletionEchoTests {
    @Test func `it begins with a receive of all that may be owed`() {
        let probe = EchoProbe(limit: 16)
        #expect(probe.receiveLimit == 16)
    }

    @Test(arguments: 1...9)
    func `CO-8, SB-5: partial sends of every length lose and repeat nothing`(_ count: Int) {
        let bytes = payload(count)
        for first in 0...count {
            for second in 1...max(1, count - first) {
                let probe = EchoProbe()
                probe.receive(bytes, atOnce: first)
                #expect(probe.owed == Array(bytes[first...]))
                probe.drain(second)
                while probe.isSending { probe.drain(1) }
                #expect(probe.sent == bytes, "\(first), then \(second), of \(count)")
                probe.end()
                #expect(probe.wasReset == false)
                #expect(probe.violations == [])
            }
        }
    }

    /// Every order of receiving three pieces and sending by pieces of one to three bytes, with
    /// every length taken at once: what is owed is known at each moment, and the echo is exact.
    @Test func `OV-7: receives and sends in every order keep the order of bytes`() {
        for script in 0..<6561 {
            var (rest, received) = (script, 0)
            let probe = EchoProbe(limit: 12)
            for _ in 0..<8 {
                let step = rest % 3
                rest /= 3
                if step == 0, let room = probe.receiveLimit, received < 12 {
                    let count = min(room, 4)
                    probe.receive(payload(count, from: received), atOnce: script % 4)
                    received += count
                } else {
                    probe.drain(step + 1, atOnce: script % 5)
                }
                guard payload(received) == probe.sent + probe.owed else {
                    Issue.record("script \(script): \(probe.sent) and \(probe.owed)")
                    return
                }
            }
            probe.end()
            while probe.isSending { probe.drain(3) }
            guard probe.sent == payload(received), probe.wasReset == false,
                probe.violations.isEmpty
            else {
                Issue.record("script \(script): \(probe.sent), \(probe.violations)")
                return
            }
        }
    }

    @Test func `above the high-water mark nothing is received; below half of it, it is again`() {
        let probe = EchoProbe(limit: 16)
        probe.receive(payload(10), atOnce: 0)
        #expect(probe.receiveLimit == 6)
        probe.receive(payload(6, from: 10), atOnce: 0)
        #expect(probe.receiveLimit == nil)
        let paused = [probe.hasPaused(), probe.hasPaused()]
        #expect(paused == [true, false], "noted once")
        probe.drain(8)
        #expect(probe.receiveLimit == nil)
        probe.drain(2, atOnce: 0)
        #expect(probe.receiveLimit == 10, "the first send has completed")
        #expect(!probe.hasPaused())
        #expect(probe.violations == [])
    }

    @Test func `CO-4: after the peer's end all that is owed is sent before it closes`() {
        let probe = EchoProbe()
        probe.receive(payload(8), atOnce: 3)
        probe.end()
        #expect(probe.wasReset == nil)
        probe.drain(8)
        #expect(probe.sent == payload(8) && probe.wasReset == false)
        #expect(probe.state.closeCause == .peerClosed)
    }

    @Test func `a failure ends it with a reset if something is owed, and nothing follows`() {
        for owed in [0, 5] {
            let probe = EchoProbe()
            probe.receive(payload(5), atOnce: 5 - owed)
            probe.fail(ECONNRESET)
            #expect(probe.wasReset == (owed > 0))
            #expect(probe.isClosed && probe.owed.isEmpty)
            probe.fail(ECONNRESET)
            probe.tell(.tick)
            #expect(probe.violations == [])
        }
    }

    @Test func `finishing delivers what is owed, ends the stream once, and reads to the end`() {
        let probe = EchoProbe()
        probe.receive(payload(8), atOnce: 3)
        probe.tell(.finish)
        #expect(probe.shutdowns == 0)
        probe.drain(8)
        #expect(probe.shutdowns == 1 && probe.wasReset == nil)
        probe.receive(payload(4), atOnce: 4)
        #expect(probe.sent == payload(8), "what comes late is thrown away")
        probe.end()
        #expect(probe.wasReset == false && probe.shutdowns == 1)
        #expect(probe.state.closeCause == .drained)
    }

    @Test func `an idle one ends its stream, then closes; an abort closes at once`() {
        let probe = EchoProbe()
        probe.tell(.tick, at: MonotonicTime(nanoseconds: 60_000_000_000))
        #expect(probe.shutdowns == 1 && probe.wasReset == nil)
        probe.tell(.abort)
        #expect(probe.wasReset == false)
        #expect(probe.state.closeCause == .idleTimeout)
        let other = EchoProbe()
        other.receive(payload(5), atOnce: 0)
        other.tell(.abort)
        #expect(other.wasReset == true && other.state.closeCause == .aborted)
    }

    @Test func `a long backlog is sent in pieces, so that reading goes on in time`() {
        let probe = EchoProbe(limit: 1 << 20)
        probe.receive(payload(1000), atOnce: 0)
        probe.receive(payload(200_000, from: 1000), atOnce: 0)
        #expect(probe.isSending)
        probe.drain(1000, atOnce: 0)
        probe.drain(64 * 1024, atOnce: 0)
        #expect(probe.sent.count == 1000 + 64 * 1024)
        while probe.isSending { probe.drain(.max) }
        #expect(probe.sent == payload(201_000))
        #expect(probe.violations == [])
    }
}
