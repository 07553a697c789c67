import ArgumentParser
import EchoServer

/// The flags of `serve` about datagrams.
struct DatagramOptions: ParsableArguments {
    /// Whether something is done.
    enum Toggle: String, CaseIterable, Sendable {
        case on
        case off
    }

    @Option(
        name: .customLong("loop-guard"),
        help: ArgumentHelp(
            "Whether datagrams are dropped that may be part of a loop with another echo service: "
                + "on or off. (default: on)",
            valueName: "toggle"
        ),
        completion: Parse.completion(Toggle.self),
        transform: Parse.choice
    )
    private var givenLoopGuard: Toggle?

    @Flag(name: .long, help: "The same as --loop-guard off, for benchmarks.")
    private var noLoopGuard = false

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Datagrams per second that are answered to one IPv4 address or IPv6 /64, with the loop "
                + "guard. (default: 1000)",
            valueName: "n"
        ),
        transform: Parse.count(1...1_000_000)
    )
    var datagramRate: Int?

    /// Whether there is a loop guard; `nil` if neither flag is given.
    var loopGuard: Toggle? {
        get { noLoopGuard ? .off : givenLoopGuard }
        set {
            noLoopGuard = false
            givenLoopGuard = newValue
        }
    }

    /// Refuses flags that contradict each other.
    func validate() throws {
        if noLoopGuard, givenLoopGuard == .on {
            throw ValidationError("--no-loop-guard contradicts --loop-guard on")
        }
    }

    /// Applies the flags to a configuration.
    func apply(to configuration: inout EchoServer.Configuration) {
        if let loopGuard { configuration.loopGuard = loopGuard == .on }
        configuration.datagramRate = datagramRate ?? configuration.datagramRate
    }
}
