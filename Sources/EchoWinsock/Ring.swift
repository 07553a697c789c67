/// A first-in, first-out queue in a ring of memory that grows as needed and never shrinks.
///
/// Costs a few instructions for each element, and no allocation in a steady state. Noncopyable.
@safe
@usableFromInline
package struct Ring<Element>: ~Copyable {
    // A power of two.
    @usableFromInline var capacity: Int
    @usableFromInline var head = 0
    @usableFromInline var length = 0
    @usableFromInline var storage: UnsafeMutablePointer<Element>

    /// An empty ring.
    ///
    /// - Parameter capacity: for how many elements there is room before it grows.
    package init(capacity: Int = 64) {
        var size = 8
        while size < capacity { size *= 2 }
        self.capacity = size
        unsafe storage = .allocate(capacity: size)
    }

    deinit {
        for index in 0..<length {
            unsafe (storage + ((head + index) & (capacity - 1))).deinitialize(count: 1)
        }
        unsafe storage.deallocate()
    }

    /// How many elements there are.
    @inlinable
    package var count: Int { length }

    /// Whether there are none.
    @inlinable
    package var isEmpty: Bool { length == 0 }

    /// The first element.
    @inlinable
    package var first: Element? { unsafe length > 0 ? storage[head] : nil }

    /// Appends an element.
    @inlinable
    package mutating func append(_ element: Element) {
        if length == capacity { grow() }
        unsafe (storage + ((head + length) & (capacity - 1))).initialize(to: element)
        length += 1
    }

    /// Removes the first element.
    @inlinable
    package mutating func popFirst() -> Element? {
        guard length > 0 else { return nil }
        let element = unsafe (storage + head).move()
        head = (head + 1) & (capacity - 1)
        length -= 1
        return element
    }

    @usableFromInline
    mutating func grow() {
        let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 2)
        let first = min(length, capacity - head)
        unsafe larger.moveInitialize(from: storage + head, count: first)
        unsafe (larger + first).moveInitialize(from: storage, count: length - first)
        unsafe storage.deallocate()
        unsafe storage = larger
        capacity *= 2
        head = 0
    }
}

@available(*, unavailable)
extension Ring: Sendable {}
