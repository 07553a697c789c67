import EchoSockets
import Glibc

/// A TCP socket whose close waits ten minutes for a peer that does not read.
package final class LingeringSocket: Sendable {
    private let sender: Locked<Socket?>
    private let receiver: Socket

    /// Connects, and sends until there is no more room.
    package init() throws {
        let listener = try Listener(.loopback(port: 0))
        let sender = try connectedSocket(to: listener.address)
        receiver = try acceptedSocket(from: listener)
        let block = [UInt8](repeating: 1, count: 256 * 1024)
        while case .bytes = sender.sendBytes(block) {}
        Self.setLinger(600, on: sender)
        try sender.descriptor.setNonBlocking(false)
        self.sender = Locked(sender)
    }

    private static func setLinger(_ seconds: CInt, on socket: borrowing Socket) {
        var value = linger(l_onoff: seconds > 0 ? 1 : 0, l_linger: seconds)
        let size = socklen_t(MemoryLayout<linger>.size)
        _ = unsafe setsockopt(socket.number, SOL_SOCKET, SO_LINGER, &value, size)
    }

    /// Passes it through a Unix socket with one byte (`SCM_RIGHTS`, unix(7)); this process keeps no
    /// copy.
    ///
    /// - Returns: the error; `nil` if it was passed.
    package func pass(through number: CInt) -> CInt? {
        sender.withLock { sender -> CInt? in
            guard let socket = sender.take() else { return EBADF }
            let error = Self.send(socket.number, through: number)
            // Closed here, it would wait here.
            if error != nil { Self.setLinger(0, on: socket) }
            return error
        }
    }

    private static func send(_ passed: CInt, through number: CInt) -> CInt? {
        // struct cmsghdr and the descriptor.
        var control = [UInt8](repeating: 0, count: 24)
        var byte: UInt8 = 0x70
        return unsafe control.withUnsafeMutableBytes { control in
            unsafe control.storeBytes(of: 20, as: Int.self)
            unsafe control.storeBytes(of: SOL_SOCKET, toByteOffset: 8, as: CInt.self)
            unsafe control.storeBytes(of: 1, toByteOffset: 12, as: CInt.self)
            unsafe control.storeBytes(of: passed, toByteOffset: 16, as: CInt.self)
            return unsafe withUnsafeMutablePointer(to: &byte) { byte in
                var vector = unsafe iovec(iov_base: byte, iov_len: 1)
                return unsafe withUnsafeMutablePointer(to: &vector) { vector in
                    var message = unsafe msghdr()
                    unsafe message.msg_iov = vector
                    unsafe message.msg_iovlen = 1
                    unsafe message.msg_control = control.baseAddress
                    unsafe message.msg_controllen = control.count
                    return unsafe sendmsg(number, &message, CInt(MSG_NOSIGNAL)) < 0 ? errno : nil
                }
            }
        }
    }
}
