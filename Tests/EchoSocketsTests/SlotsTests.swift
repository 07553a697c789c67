import EchoSockets
import Testing

struct SlotsTests {
    @Test func `an element is found by its address`() {
        var slots = Slots<String>()
        let (a, b) = (slots.insert("a"), slots.insert("b"))
        #expect(slots[a] == "a")
        #expect(slots[b] == "b")
        #expect(slots.count == 2)
        #expect(slots.elements.sorted() == ["a", "b"])
    }

    @Test func `PF-9: a stale address finds nothing, though its place is taken again`() {
        var slots = Slots<String>()
        let old = slots.insert("old")
        #expect(slots.remove(old) == "old")
        #expect(slots[old] == nil)
        let new = slots.insert("new")
        #expect(new.index == old.index)
        #expect(new != old)
        #expect(slots[old] == nil)
        #expect(slots.remove(old) == nil)
        #expect(slots[new] == "new")
        #expect(slots.count == 1)
    }

    @Test func `an address that was never given out finds nothing`() {
        let slots = Slots<Int>()
        #expect(slots[SlotAddress(index: 0, generation: 0)] == nil)
        #expect(slots[SlotAddress(word: .max)] == nil)
    }

    @Test func `the generation wraps without ado`() {
        var slots = Slots<Int>(firstGeneration: .max)
        let last = slots.insert(1)
        #expect(last.generation == .max)
        slots.remove(last)
        let first = slots.insert(2)
        #expect(first == SlotAddress(index: 0, generation: 0))
        #expect(slots[last] == nil)
        #expect(slots[first] == 2)
    }

    @Test(arguments: [0, 1, 0xFFFF_FFFF, 0x1_0000_0000, 0x1234_5678_9ABC_DEF0, .max] as [UInt64])
    func `an address and its word are the same`(word: UInt64) {
        #expect(SlotAddress(word: word).word == word)
    }

    @Test func `removing and inserting at random keeps every element at its address`() {
        var slots = Slots<Int>()
        var expected: [SlotAddress: Int] = [:]
        var removed: [SlotAddress] = []
        var state: UInt64 = 42
        for step in 0..<5000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1
            if state >> 63 == 0 || expected.isEmpty {
                expected[slots.insert(step)] = step
            } else if let address = expected.keys.min(by: { $0.word < $1.word }) {
                #expect(slots.remove(address) == expected.removeValue(forKey: address))
                removed.append(address)
            }
        }
        #expect(slots.count == expected.count)
        #expect(expected.allSatisfy { slots[$0.key] == $0.value })
        #expect(removed.allSatisfy { slots[$0] == nil })
    }
}
