package import EchoSockets

/// What an application keeps for each socket of one loop, found by handle without hashing.
///
/// A stale handle finds nothing, even if another socket has its place now.
package struct SocketMap<Value> {
    @usableFromInline
    struct Entry {
        @usableFromInline var generation: UInt32
        @usableFromInline var value: Value?

        @usableFromInline
        init() {
            generation = 0
            value = nil
        }
    }

    @usableFromInline var entries: ContiguousArray<Entry> = []

    /// An empty map.
    package init() {}

    /// The value of a socket; setting `nil` removes it.
    @inlinable
    package subscript(address: SlotAddress) -> Value? {
        get {
            let index = Int(address.index)
            guard index < entries.count, entries[index].generation == address.generation else {
                return nil
            }
            return entries[index].value
        }
        set {
            let index = Int(address.index)
            while index >= entries.count { entries.append(Entry()) }
            if newValue == nil && entries[index].generation != address.generation { return }
            entries[index].generation = address.generation
            entries[index].value = newValue
        }
    }

    /// All values, in no particular order.
    package var values: [Value] { entries.compactMap(\.value) }
}
