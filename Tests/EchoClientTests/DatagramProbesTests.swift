import EchoSockets
import EchoTestSupport
import Testing

@testable import EchoClient

/// What a ping over UDP decides without sockets: which probe an echo belongs to.
@Suite(.timeLimit(.minutes(1)))
struct DatagramProbesTests {
    private let payload = { (size: Int) in
        DatagramPayload(PatternBytes(seed: 7, connection: 3), size: size)
    }

    private func bytes(_ payload: DatagramPayload, _ number: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: payload.size)
        unsafe bytes.withUnsafeMutableBytes { unsafe payload.fill($0, number: number) }
        return bytes
    }

    @Test(arguments: [1, 2, 7, 8, 9, 15, 16, 64, 1001])
    func `a payload holds its number, and no other payload's bytes`(_ size: Int) {
        let payload = payload(size)
        var seen: Set<[UInt8]> = []
        for number in [0, 1, 2, 100, 255] {
            let bytes = bytes(payload, number)
            #expect(seen.insert(bytes).inserted)
            unsafe bytes.withUnsafeBytes {
                #expect(unsafe payload.number(in: $0) == UInt64(number))
                #expect(unsafe payload.fault(in: $0, of: number) == nil)
                #expect(unsafe payload.fault(in: $0, of: number + 1) != nil)
            }
            for place in 0..<size {
                var wrong = bytes
                wrong[place] ^= 0x10
                let fault = unsafe wrong.withUnsafeBytes {
                    unsafe payload.fault(in: $0, of: number)
                }
                let expected = "offset \(place): expected byte \(bytes[place]), got \(wrong[place])"
                #expect(fault == expected)
            }
        }
    }

    @Test func `a number that does not fit goes on from the first`() {
        let payload = payload(1)
        #expect(bytes(payload, 256) == bytes(payload, 0))
        var probes = DatagramProbes(limit: 256)
        for number in 0..<300 {
            _ = probes.makeRoom(at: .now)
            probes.append(probe(number))
        }
        #expect(probes.number(ending: 299 & 0xFF, mask: payload.mask) == 299)
        #expect(probes.number(ending: 44, mask: payload.mask) == 44)
        #expect(probes.number(ending: 43, mask: payload.mask) == 299)
        #expect(probes.number(ending: 43, mask: .max) == nil)
    }

    private func probe(_ sequence: Int, due: MonotonicTime = .now) -> PendingProbe {
        PendingProbe(sequence: sequence, due: due, woken: due, deadline: due + .seconds(1))
    }

    @Test func `those that wait are lost in their order, and the answered are left out`() {
        let start = MonotonicTime.now
        var probes = DatagramProbes(limit: 100)
        for number in 0..<5 { probes.append(probe(number, due: start + .seconds(number))) }
        #expect(probes.lastWaiting == 4 && probes.onlyWaiting == nil && probes.waitingCount == 5)
        probes.settle(0, .answered)
        probes.settle(2, .answered)
        #expect(probes.deadline == start + .seconds(2))
        #expect(probes.popLost(by: start + .milliseconds(1999))?.sequence == nil)
        #expect(probes.popLost(by: start + .seconds(4))?.sequence == 1)
        #expect(probes.popLost(by: start + .seconds(4))?.sequence == 3)
        #expect(probes.popLost(by: start + .seconds(4))?.sequence == nil)
        #expect(probes.state(of: 1) == .lost && probes.onlyWaiting == 4)
        #expect(probes.popAll().map(\.sequence) == [4] && probes.lastWaiting == nil)
        #expect(probes.deadline == nil)
    }

    @Test func `a probe is known for a minute, and while it waits`() {
        let start = MonotonicTime.now
        var probes = DatagramProbes(limit: 1000)
        for number in 0..<200 { probes.append(probe(number, due: start)) }
        for number in 0..<150 { probes.settle(number, .answered) }
        #expect(probes.makeRoom(at: start + .seconds(60))?.sequence == nil)
        #expect(probes.number(ending: 0, mask: .max) == 0)
        #expect(probes.makeRoom(at: start + .seconds(61))?.sequence == nil)
        #expect(probes.number(ending: 149, mask: .max) == nil)
        #expect(probes.number(ending: 150, mask: .max) == 150 && probes.next == 200)
        #expect(probes[150].sequence == 150 && probes.waitingCount == 50)
    }

    @Test func `the oldest makes room, and is lost if it waits`() {
        var probes = DatagramProbes(limit: 3)
        for number in 0..<3 { probes.append(probe(number)) }
        probes.settle(1, .answered)
        #expect(probes.makeRoom(at: .now)?.sequence == 0)
        probes.append(probe(3))
        #expect(probes.makeRoom(at: .now)?.sequence == nil)
        #expect(probes.number(ending: 1, mask: .max) == nil && probes.waitingCount == 2)
    }
}
