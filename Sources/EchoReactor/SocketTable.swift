package import EchoSockets

/// The sockets of one loop by handle.
///
/// Does not keep them alive: each takes itself out.
///
/// Not `Slots`: a generic of another module would not be specialised here.
@safe
struct SocketTable {
    @unsafe
    private struct Place {
        var socket: Unmanaged<SelectableSocket>?
        var generation: UInt32
    }

    private var places: ContiguousArray<Place> = unsafe []
    private var free: ContiguousArray<UInt32> = []

    /// How many sockets there are.
    var count: Int { unsafe places.count - free.count }

    /// A handle for a socket to come.
    mutating func reserve() -> SlotAddress {
        if let index = free.popLast() {
            return SlotAddress(index: index, generation: unsafe places[Int(index)].generation)
        }
        unsafe places.append(Place(socket: nil, generation: 0))
        return SlotAddress(index: UInt32(unsafe places.count - 1), generation: 0)
    }

    mutating func insert(_ socket: SelectableSocket, at address: SlotAddress) {
        unsafe places[Int(address.index)].socket = .passUnretained(socket)
    }

    mutating func remove(_ address: SlotAddress) {
        let index = Int(address.index)
        guard unsafe index < places.count, unsafe places[index].generation == address.generation
        else {
            return
        }
        unsafe places[index].socket = nil
        unsafe places[index].generation &+= 1
        free.append(address.index)
    }

    subscript(address: SlotAddress) -> SelectableSocket? {
        let index = Int(address.index)
        guard unsafe index < places.count, unsafe places[index].generation == address.generation
        else {
            return nil
        }
        return unsafe places[index].socket?.takeUnretainedValue()
    }
}

extension EventLoop {
    /// The socket that a handle means, `nil` if it has been closed (AS-2).
    package func socket(at address: SlotAddress) -> SelectableSocket? { sockets[address] }

    /// How many sockets the loop has.
    package var socketCount: Int { sockets.count }
}
