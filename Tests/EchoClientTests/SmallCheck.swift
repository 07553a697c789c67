import EchoClient
import EchoSockets

/// A check with small sizes: the large ones are for the command.
func smallCheck(
    _ endpoint: Endpoint,
    _ checks: [EchoCheck.Check],
    run: Int = 3
) -> EchoCheck {
    smallCheck(EchoEndpoint(endpoint), checks, run: run)
}

/// The same for an endpoint of the library.
func smallCheck(
    _ endpoint: EchoEndpoint,
    _ checks: [EchoCheck.Check],
    run: Int = 3
) -> EchoCheck {
    var check = EchoCheck(endpoint)
    check.runNumber = run
    check.checks = checks
    check.size = 4 << 20
    check.connections = 40
    check.deadline = .seconds(60)
    return check
}
