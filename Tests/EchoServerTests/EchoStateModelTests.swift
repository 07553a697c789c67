import EchoSockets
import Testing

@testable import EchoServer

/// Explores every state that the echo rules can reach, whatever the order of events.
///
/// Breadth first over the events that a correct driver can produce, with few bytes in all; the
/// depth is not bounded, states seen before are not expanded again. A violation is reported with
/// the shortest sequence of events that leads to it.
struct EchoStateModelTests {
    struct Exploration {
        var states = 0
        var transitions = 0
        var depth = 0
        var violations: [String] = []
    }

    @Test(
        .timeLimit(.minutes(5)),
        arguments: [1, 2, 3, 4],
        [nil, Duration.milliseconds(100), .milliseconds(10)]
    )
    func `no sequence of events breaks an invariant of the echo rules`(
        _ limit: Int,
        _ idle: Duration?
    ) {
        let rules = EchoRules(
            pendingLimit: limit,
            idleTimeout: idle,
            quietPeriod: .milliseconds(20),
            lingerTimeout: .milliseconds(50)
        )
        let result = Self.explore(rules, bytes: 3 * limit)
        #expect(result.violations.isEmpty, "\(result.violations.joined(separator: "\n"))")
        #expect(result.states > 100)
        #expect(result.transitions > 1000)
        #expect(result.depth >= 7)
    }

    private struct Entry {
        let node: RulesNode
        let parent: Int
        let event: String
        let depth: Int
    }

    static func explore(_ rules: EchoRules, bytes: Int) -> Exploration {
        var result = Exploration()
        var queue = [Entry(node: RulesNode(), parent: -1, event: "", depth: 0)]
        var seen: Set<[Int64]> = [queue[0].node.key]
        var next = 0
        while next < queue.count, result.violations.count < 5 {
            let entry = queue[next]
            result.depth = entry.depth
            for step in entry.node.steps(rules, bytes: bytes) {
                result.transitions += 1
                var node = entry.node
                let broken = node.take(step, rules)
                let path = { Self.path(to: next, queue) + ", \(step.event)" }
                result.violations += broken.map { "\($0): \(path())" }
                guard !entry.node.isClosed, seen.insert(node.key).inserted else { continue }
                queue.append(
                    Entry(node: node, parent: next, event: "\(step)", depth: entry.depth + 1)
                )
            }
            next += 1
        }
        result.states = seen.count
        return result
    }

    private static func path(to index: Int, _ queue: [Entry]) -> String {
        var events: [String] = []
        var index = index
        while index > 0 {
            events.append(queue[index].event)
            index = queue[index].parent
        }
        return events.reversed().joined(separator: ", ")
    }
}
