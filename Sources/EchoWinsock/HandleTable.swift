/// The objects of one thread, by handle: finds an object without hashing, and nothing for a stale
/// handle.
///
/// Keeps its objects alive. Confined to one thread; not Sendable.
@safe
@usableFromInline
package final class HandleTable<Object: AnyObject> {
    @usableFromInline
    @unsafe
    struct Place {
        @usableFromInline var object: Unmanaged<Object>?
        @usableFromInline var generation: UInt32
        // The next free place, if this one is free.
        @usableFromInline var nextFree: UInt32
    }

    // Memory of its own, so that looking something up needs no exclusivity check.
    @usableFromInline
    @unsafe
    struct State {
        @usableFromInline var places: UnsafeMutablePointer<Place>
        @usableFromInline var capacity = 0
        @usableFromInline var used = 0
        @usableFromInline var count = 0
        @usableFromInline var firstFree = UInt32.max
    }

    @usableFromInline let state: UnsafeMutablePointer<State>

    /// An empty table.
    package init() {
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(to: State(places: .allocate(capacity: 0)))
    }

    deinit {
        for index in 0..<(unsafe state.pointee.used) {
            unsafe state.pointee.places[index].object?.release()
        }
        unsafe state.pointee.places.deallocate()
        unsafe state.deallocate()
    }

    /// How many objects there are.
    package var count: Int { unsafe state.pointee.count }

    /// Whether there are none.
    package var isEmpty: Bool { unsafe state.pointee.count == 0 }

    /// Inserts an object into a free place.
    ///
    /// - Parameter makeObject: makes it, given its handle.
    /// - Returns: the object.
    /// - Throws: what `makeObject` threw; the table is then unchanged.
    @discardableResult
    package func insert<Failure: Error>(
        _ makeObject: (SocketHandle) throws(Failure) -> Object
    ) throws(Failure) -> Object {
        let slot = takePlace()
        let generation = unsafe state.pointee.places[Int(slot)].generation
        do throws(Failure) {
            let object = try makeObject(SocketHandle(slot: slot, generation: generation))
            unsafe state.pointee.places[Int(slot)].object = .passRetained(object)
            unsafe state.pointee.count += 1
            return object
        } catch {
            givePlaceBack(slot)
            throw error
        }
    }

    /// Removes an object; its handle finds nothing from then on.
    @discardableResult
    package func remove(_ handle: SocketHandle) -> Object? {
        guard let object = unsafe reference(handle) else { return nil }
        unsafe state.pointee.places[Int(handle.slot)].object = nil
        unsafe state.pointee.count -= 1
        givePlaceBack(handle.slot)
        return unsafe object.takeRetainedValue()
    }

    /// The object that a handle names.
    package subscript(handle: SocketHandle) -> Object? {
        unsafe reference(handle)?.takeUnretainedValue()
    }

    /// Calls `body` with the object that a handle names, without counting a reference.
    ///
    /// `body` may remove the object only as its last action.
    ///
    /// - Returns: what `body` returned; `nil` if the handle is stale.
    @inlinable
    @inline(__always)
    package func with<Result>(_ handle: SocketHandle, _ body: (Object) -> Result) -> Result? {
        guard let object = unsafe reference(handle) else { return nil }
        return unsafe object._withUnsafeGuaranteedRef(body)
    }

    /// All objects, in the order of their places.
    package var objects: [Object] {
        var found: [Object] = []
        found.reserveCapacity(count)
        for index in 0..<(unsafe state.pointee.used) {
            if let object = unsafe state.pointee.places[index].object {
                found.append(unsafe object.takeUnretainedValue())
            }
        }
        return found
    }

    /// Calls `body` with each object, in the order of their places.
    ///
    /// `body` may remove and insert objects.
    package func visit(_ body: (Object) -> Void) {
        var index = 0
        while unsafe index < state.pointee.used {
            if let object = unsafe state.pointee.places[index].object {
                body(unsafe object.takeUnretainedValue())
            }
            index += 1
        }
    }

    @inlinable
    @inline(__always)
    func reference(_ handle: SocketHandle) -> Unmanaged<Object>? {
        let index = Int(handle.slot)
        guard unsafe index < state.pointee.used else { return nil }
        let place = unsafe state.pointee.places + index
        return unsafe place.pointee.generation == handle.generation ? place.pointee.object : nil
    }

    private func takePlace() -> UInt32 {
        let free = unsafe state.pointee.firstFree
        if free != .max {
            unsafe state.pointee.firstFree = state.pointee.places[Int(free)].nextFree
            return free
        }
        if unsafe state.pointee.used == state.pointee.capacity { grow() }
        let slot = unsafe state.pointee.used
        unsafe (state.pointee.places + slot).initialize(
            to: Place(object: nil, generation: 0, nextFree: .max)
        )
        unsafe state.pointee.used += 1
        return UInt32(slot)
    }

    private func givePlaceBack(_ slot: UInt32) {
        unsafe state.pointee.places[Int(slot)].generation &+= 1
        unsafe state.pointee.places[Int(slot)].nextFree = state.pointee.firstFree
        unsafe state.pointee.firstFree = slot
    }

    // Grows by half, so that little is wasted with many connections.
    private func grow() {
        let (used, capacity) = unsafe (state.pointee.used, state.pointee.capacity)
        let larger = max(8, capacity + capacity / 2)
        let places = UnsafeMutablePointer<Place>.allocate(capacity: larger)
        unsafe places.moveInitialize(from: state.pointee.places, count: used)
        unsafe state.pointee.places.deallocate()
        unsafe state.pointee.places = places
        unsafe state.pointee.capacity = larger
    }
}

@available(*, unavailable)
extension HandleTable: Sendable {}

@available(*, unavailable)
extension HandleTable.State: Sendable {}

@available(*, unavailable)
extension HandleTable.Place: Sendable {}
