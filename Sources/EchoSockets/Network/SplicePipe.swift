import CEchoLinux
import Glibc

/// A pipe through which bytes go from one socket to another without being copied, splice(2).
///
/// Confined to the thread that opened it, and empty between uses.
package struct SplicePipe: ~Copyable {
    private let output: Descriptor
    private let input: Descriptor
    /// How many bytes it holds.
    package private(set) var count = 0

    // Of pipe(7): enough places for 64 KiB that a network card has cut into packets.
    private static var size: CInt { 256 * 1024 }

    /// Opens a pipe, and blocks `SIGPIPE` for the calling thread from now on: splice(2) has no
    /// counterpart of `MSG_NOSIGNAL` (CO-9).
    ///
    /// The corresponding C functions are `pipe2` and `pthread_sigmask`.
    ///
    /// - Throws: `EMFILE` or `ENFILE` without two more descriptors.
    package init() throws(SystemError) {
        var ends: (CInt, CInt) = (-1, -1)
        try systemCall("pipe2") {
            unsafe withUnsafeMutableBytes(of: &ends) { bytes in
                let ends = unsafe bytes.assumingMemoryBound(to: CInt.self).baseAddress
                return unsafe pipe2(ends, O_CLOEXEC | O_NONBLOCK)
            }
        }
        output = Descriptor(adopting: ends.0)
        input = Descriptor(adopting: ends.1)
        // Refused to a user with many pipes; a smaller one serves as well.
        _ = fcntl(input.rawValue, clinux_F_SETPIPE_SZ, Self.size)
        var broken = sigset_t()
        unsafe sigemptyset(&broken)
        unsafe sigaddset(&broken, SIGPIPE)
        unsafe pthread_sigmask(SIG_BLOCK, &broken, nil)
    }

    /// Takes bytes from a socket.
    ///
    /// The corresponding C function is `splice`.
    ///
    /// - Parameters:
    ///   - socket: the socket's number.
    ///   - limit: the most bytes.
    /// - Returns: the result; `.wouldBlock` also where the bytes must be received: urgent data, and
    ///   sockets that cannot be spliced or that are screened for descriptors.
    package mutating func fill(from socket: CInt, atMost limit: Int) -> Transfer {
        guard !ScreenedSockets.contains(socket) else { return .wouldBlock }
        let moved = move(from: socket, to: input.rawValue, limit)
        if moved > 0 { count += moved }
        return moved == 0 ? .endOfStream : Self.transfer(moved)
    }

    /// Passes the bytes that it holds on to a socket.
    ///
    /// The corresponding C function is `splice`.
    ///
    /// - Returns: the result; what the socket did not take is still in the pipe.
    package mutating func drain(to socket: CInt) -> Transfer {
        let moved = move(from: output.rawValue, to: socket, count)
        if moved > 0 { count -= moved }
        return Self.transfer(moved)
    }

    /// Takes bytes out of the pipe.
    ///
    /// The corresponding C function is `read`.
    package mutating func read(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        let taken = transferCall {
            unsafe Glibc.read(output.rawValue, buffer.baseAddress, buffer.count)
        }
        if taken > 0 { count -= taken }
        return Self.transfer(taken)
    }

    private func move(from source: CInt, to target: CInt, _ limit: Int) -> Int {
        transferCall { splice(source, nil, target, nil, limit, clinux_SPLICE_F_NONBLOCK) }
    }

    private static func transfer(_ result: Int) -> Transfer {
        switch CInt(-result) {
        case ..<1: .bytes(result)
        // What does not support splice(2), or a filter that forbids it, is no fault of the peer's.
        case EAGAIN, EINVAL, ENOSYS, EPERM, EACCES: .wouldBlock
        case let number: .failed(Errno(rawValue: number))
        }
    }
}
