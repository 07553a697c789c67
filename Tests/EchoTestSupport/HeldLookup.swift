import CEchoTestProcess
import EchoSockets

/// A host name whose lookup lasts until it is released, as where no name server answers.
///
/// In the process of the tests only.
package final class HeldLookup: Sendable {
    /// The name.
    package let host: String
    private let number: CInt

    private static let next = Locked<CInt>(0)

    /// A name that no other test uses.
    package init() {
        number = Self.next.withLock { next in
            defer { next += 1 }
            return next
        }
        host = "held-\(number).invalid"
        test_hold_lookup(number)
    }

    deinit {
        release()
    }

    /// Whether somebody is looking it up.
    package var isWaiting: Bool { test_is_lookup_waiting(number) != 0 }

    /// Ends its lookups: there is no such host.
    package func release() {
        test_release_lookup(number)
    }
}
