/// A socket of an ``OverlappedLoop``: its state alone, in one piece of memory.
@safe
final class AdoptedSocket: ManagedBuffer<SocketState, Never> {
    /// A socket in this state.
    static func make(_ state: SocketState) -> AdoptedSocket {
        let made = create(minimumCapacity: 0) { _ in state }
        return unsafe unsafeDowncast(made, to: AdoptedSocket.self)
    }

    /// Its state, reached without an exclusivity check.
    @inline(__always)
    var state: UnsafeMutablePointer<SocketState> {
        unsafe withUnsafeMutablePointerToHeader { unsafe $0 }
    }
}
