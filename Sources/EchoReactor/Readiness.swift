import CLibevent

/// What a ``Watch`` waits for, and what it has seen.
///
/// The bits are libevent's `EV_` flags.
package struct Readiness: OptionSet, Hashable, Sendable {
    /// The bits, as libevent's callbacks get them.
    package let rawValue: Int16

    /// A set from its bits.
    package init(rawValue: Int16) {
        self.rawValue = rawValue
    }

    /// The time given to ``Watch/add(timeout:)`` has passed (`EV_TIMEOUT`).
    ///
    /// Only seen, never asked for.
    package static let timedOut = Readiness(rawValue: Int16(EV_TIMEOUT))
    /// There is something to read, or an end, or an error (`EV_READ`).
    package static let read = Readiness(rawValue: Int16(EV_READ))
    /// There is room to write, or an error (`EV_WRITE`).
    package static let write = Readiness(rawValue: Int16(EV_WRITE))
    /// The peer has finished sending (`EV_CLOSED`).
    ///
    /// Always together with ``read``: alone, a reset would spin without a callback (E-c2). `select`
    /// never reports it (E-c).
    package static let closed = Readiness(rawValue: Int16(EV_CLOSED))
}
