/// The object that an operation or a packet is about: its class is known to the program alone.
@safe
@usableFromInline
struct OwnerReference {
    @usableFromInline let reference: Unmanaged<AnyObject>

    @inlinable
    @inline(__always)
    init(_ reference: Unmanaged<AnyObject>) {
        unsafe self.reference = reference
    }

    /// Calls `body` with the object, if it is of that very class; counts no reference.
    @inlinable
    @inline(__always)
    func with<Owner: AnyObject, Result>(_: Owner.Type, _ body: (Owner) -> Result) -> Result? {
        unsafe reference._withUnsafeGuaranteedRef { object -> Result? in
            guard type(of: object) == Owner.self else { return nil }
            return unsafe body(unsafeDowncast(object, to: Owner.self))
        }
    }
}

@available(*, unavailable)
extension OwnerReference: Sendable {}
