/// The address of an element of a ``Slots`` table: its place, and which of the place's successive
/// elements it is.
///
/// Unlike a descriptor number, it is never the address of anything else later: a stale one finds
/// nothing (PF-9).
package struct SlotAddress: Hashable, Sendable {
    /// The place in the table.
    package let index: UInt32
    /// Which of the place's successive elements, modulo 2³².
    package let generation: UInt32

    /// An address from its parts.
    package init(index: UInt32, generation: UInt32) {
        self.index = index
        self.generation = generation
    }

    /// Both parts in one word, as `epoll_event.data` carries them.
    package var word: UInt64 { UInt64(generation) << 32 | UInt64(index) }

    /// An address from a word.
    package init(word: UInt64) {
        self.init(index: UInt32(truncatingIfNeeded: word), generation: UInt32(word >> 32))
    }
}

/// A table whose elements keep their addresses, and whose stale addresses find nothing.
package struct Slots<Element> {
    private struct Slot {
        var element: Element?
        var generation: UInt32
    }

    private var slots: [Slot] = []
    private var free: [UInt32] = []
    private let firstGeneration: UInt32

    /// An empty table.
    ///
    /// - Parameter firstGeneration: the generation of every place's first element.
    package init(firstGeneration: UInt32 = 0) {
        self.firstGeneration = firstGeneration
    }

    /// How many elements there are.
    package var count: Int { slots.count - free.count }

    /// Whether there are none.
    package var isEmpty: Bool { count == 0 }

    /// Inserts an element into a free place.
    package mutating func insert(_ element: Element) -> SlotAddress {
        if let index = free.popLast() {
            slots[Int(index)].element = element
            return SlotAddress(index: index, generation: slots[Int(index)].generation)
        }
        slots.append(Slot(element: element, generation: firstGeneration))
        return SlotAddress(index: UInt32(slots.count - 1), generation: firstGeneration)
    }

    /// Removes an element; its address finds nothing from then on.
    @discardableResult
    package mutating func remove(_ address: SlotAddress) -> Element? {
        guard let element = self[address] else { return nil }
        slots[Int(address.index)].element = nil
        slots[Int(address.index)].generation &+= 1
        free.append(address.index)
        return element
    }

    /// The element at an address, if it is still that element.
    package subscript(address: SlotAddress) -> Element? {
        guard address.index < slots.count else { return nil }
        let slot = slots[Int(address.index)]
        return slot.generation == address.generation ? slot.element : nil
    }

    /// All elements, in no particular order.
    package var elements: [Element] { slots.compactMap(\.element) }
}
