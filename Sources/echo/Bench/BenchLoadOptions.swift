import ArgumentParser
import EchoClient

/// The loads of a measurement.
struct BenchLoadOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Connections that send at the same time. (default: 1,10,100,1000)",
            valueName: "n,..."
        ),
        transform: Parse.list(of: Parse.count(1...100_000))
    )
    var connections = ValueList(values: [1, 10, 100, 1000])

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Bytes of a message, 1 to 16MiB. (default: 64)",
            valueName: "size,..."
        ),
        transform: Parse.list(of: Parse.size(1...16 << 20))
    )
    var size = ValueList(values: [64])

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Messages that each connection keeps on their way. (default: 1)",
            valueName: "n,..."
        ),
        transform: Parse.list(of: Parse.count(1...4096))
    )
    var inFlight = ValueList(values: [1])

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Messages a second of all connections, sent on schedule (open loop).",
            valueName: "rate,..."
        ),
        transform: Parse.list(of: Parse.rate)
    )
    var rate: ValueList<Double>?

    @Flag(name: .long, help: "Give every message a connection of its own.")
    var churn = false

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Connections that are open beside the others and send nothing. (default: 0)",
            valueName: "count"
        ),
        transform: Parse.count(0...100_000)
    )
    var idle = 0

    func check() throws {
        if churn, rate != nil { throw ValidationError("--churn and --rate contradict each other") }
        if churn, inFlight.values != [1] {
            throw ValidationError("--churn has one message on a connection: leave out --in-flight")
        }
        for size in size.values {
            for count in inFlight.values where size * count > 64 << 20 {
                throw ValidationError(
                    "--size \(Quantity.text(size)) and --in-flight \(count) are more than 64MiB "
                        + "on a connection"
                )
            }
        }
    }

    /// Refuses what UDP has no place for.
    func checkForDatagrams() throws {
        if churn { throw ValidationError("--churn needs connections: UDP has none") }
        if idle > 0 { throw ValidationError("--idle needs connections: UDP has none") }
        let sizes = EchoPing.datagramSizes
        if let size = size.values.first(where: { !sizes.contains($0) }) {
            throw ValidationError(
                "--size \(Quantity.text(size)) does not fit a datagram: UDP takes "
                    + "\(sizes.upperBound) bytes at most"
            )
        }
        if let load = loads.first(where: { !$0.suitsDatagrams }) {
            throw ValidationError(
                "--in-flight \(load.inFlight) is more than the 256 that datagrams of 1 byte can be "
                    + "told apart by"
            )
        }
    }

    /// Every combination, connections varying last.
    var loads: [EchoBench.Load] {
        var loads: [EchoBench.Load] = []
        for size in size.values {
            for inFlight in inFlight.values {
                for rate in rate.map({ $0.values.map(Optional.some) }) ?? [nil] {
                    for connections in connections.values {
                        var load = EchoBench.Load()
                        load.connections = connections
                        load.size = size
                        load.inFlight = inFlight
                        load.rate = rate
                        load.isChurn = churn
                        load.idleConnections = idle
                        loads.append(load)
                    }
                }
            }
        }
        return loads
    }
}
