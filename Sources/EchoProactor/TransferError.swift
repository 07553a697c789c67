import EchoSockets
import Glibc

/// The error numbers that a transfer's caller must know.
enum TransferError {
    static var wouldBlock: Int { Int(EAGAIN) }
    static var cancelled: Int { Int(ECANCELED) }

    /// Whether it is the connection's end, rather than a lack of memory.
    static func endsConnection(_ number: Int) -> Bool {
        number != Int(ENOMEM) && number != Int(ENOBUFS)
    }
}

/// Sends, whether or not the socket blocks (OV-13): what send(2) returns, with its `errno`.
func sendBytes(to number: CInt, _ bytes: UnsafeRawBufferPointer) -> Int {
    unsafe send(number, bytes.baseAddress, bytes.count, CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT))
}

/// Receives, whether or not the socket blocks (OV-13): what recv(2) returns, with its `errno`.
func receiveNow(from number: CInt, _ start: UnsafeMutableRawPointer, _ room: Int) -> Int {
    unsafe receiveBytes(from: number, start, room, CInt(MSG_DONTWAIT))
}
