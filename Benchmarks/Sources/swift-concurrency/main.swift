// Swift concurrency without a networking library: a task for each connection, which waits for
// Dispatch to say that its socket is ready. The cooperative pool has one thread for each processor
// that the process may use.

import Dispatch
import Glibc
import Peer

/// Lets a task wait until a descriptor is ready.
///
/// Of its methods, only one is to be called at a time.
final class Readiness: @unchecked Sendable {
    private let source: any DispatchSourceProtocol
    private var waiter: CheckedContinuation<Void, Never>?

    init(_ source: any DispatchSourceProtocol) {
        self.source = source
        source.setEventHandler { [unowned self] in
            source.suspend()
            let ready = waiter
            waiter = nil
            ready?.resume()
        }
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            waiter = continuation
            source.resume()
        }
    }

    /// Ends it; it is suspended then.
    func cancel() async {
        await withCheckedContinuation { continuation in
            source.setCancelHandler { continuation.resume() }
            source.cancel()
            source.resume()
        }
    }
}

/// A connection's socket, and what it waits for.
struct Connection: ~Copyable {
    let socket: CInt
    private let readable: Readiness
    private var writable: Readiness?

    init(_ socket: CInt) {
        self.socket = socket
        readable = Readiness(DispatchSource.makeReadSource(fileDescriptor: socket, queue: queue))
    }

    /// Receives what there is; `nil` at the end, or if the connection has failed.
    func receive(_ buffer: UnsafeMutableRawBufferPointer) async -> Int? {
        while true {
            let count = recv(socket, buffer.baseAddress, buffer.count, 0)
            if count > 0 { return count }
            if count == 0 || (errno != EAGAIN && errno != EINTR) { return nil }
            if errno == EAGAIN { await readable.wait() }
        }
    }

    /// Sends all of it; gives whether that was possible.
    mutating func send(_ bytes: UnsafeRawBufferPointer) async -> Bool {
        var sent = 0
        while sent < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[sent...])
            let count = Glibc.send(socket, rest.baseAddress, rest.count, CInt(MSG_NOSIGNAL))
            if count >= 0 {
                sent += count
            } else if errno == EAGAIN {
                await room()
            } else if errno != EINTR {
                return false
            }
        }
        return true
    }

    private mutating func room() async {
        let writable =
            writable
            ?? Readiness(DispatchSource.makeWriteSource(fileDescriptor: socket, queue: queue))
        self.writable = writable
        await writable.wait()
    }

    consuming func close() async {
        await readable.cancel()
        await writable?.cancel()
        _ = Glibc.close(socket)
    }
}

let queue = DispatchQueue(label: "readiness")

func serve(_ socket: CInt) async {
    var connection = Connection(socket)
    let size = Int(peer_buffer_size)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 1)
    while let count = await connection.receive(buffer),
        await connection.send(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    {}
    buffer.deallocate()
    await connection.close()
}

let listener = peer_listen(peer_begin(CommandLine.argc, CommandLine.unsafeArgv))
let acceptable = Readiness(DispatchSource.makeReadSource(fileDescriptor: listener, queue: queue))
while true {
    let socket = peer_accept(listener)
    if socket >= 0 {
        Task.detached { await serve(socket) }
    } else if peer_is_drained(errno) {
        await acceptable.wait()
    } else if peer_is_shortage(errno) {
        try await Task.sleep(for: .milliseconds(50))
    }
}
