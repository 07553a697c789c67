import CEchoLinux
import Glibc

/// The memory of a ``DatagramBatch``: what recvmmsg(2) and sendmmsg(2) take and give.
///
/// The kernel touches only the buffers that it fills, so the rest costs address space alone.
@safe
final class DatagramBuffers {
    /// Room for one message's control data: those asked for here take 120 bytes, and the former
    /// owner of an inherited socket may have asked for more.
    static let controlSize = 256
    /// Room for the control data of one answer: its source and the length of its datagrams.
    static let answerControlSize = 64
    /// Room for an address, which is never longer than `sockaddr_in6`.
    static let nameSize = 32

    let capacity: Int
    let answerCapacity: Int
    let bufferSize: Int

    let headers: UnsafeMutablePointer<clinux_mmsghdr>
    let details: UnsafeMutablePointer<DatagramMessage>
    let answers: UnsafeMutablePointer<clinux_mmsghdr>
    let counts: UnsafeMutablePointer<Int>
    let answerVectors: UnsafeMutablePointer<iovec>
    private let vectors: UnsafeMutablePointer<iovec>
    private let names: UnsafeMutableRawPointer
    private let controls: UnsafeMutableRawPointer
    private let answerControls: UnsafeMutableRawPointer
    private let payloads: UnsafeMutableRawPointer

    /// - Parameters:
    ///   - capacity: messages that one receive takes.
    ///   - answerCapacity: messages that one send takes.
    ///   - bufferSize: bytes of one message.
    init(capacity: Int, answerCapacity: Int, bufferSize: Int) {
        self.capacity = capacity
        self.answerCapacity = answerCapacity
        self.bufferSize = bufferSize
        unsafe headers = .allocate(capacity: capacity)
        unsafe details = .allocate(capacity: capacity)
        unsafe vectors = .allocate(capacity: capacity)
        unsafe answers = .allocate(capacity: answerCapacity)
        unsafe counts = .allocate(capacity: answerCapacity)
        unsafe answerVectors = .allocate(capacity: answerCapacity)
        unsafe names = .allocate(byteCount: capacity * Self.nameSize, alignment: 16)
        unsafe controls = .allocate(byteCount: capacity * Self.controlSize, alignment: 16)
        unsafe answerControls = .allocate(
            byteCount: answerCapacity * Self.answerControlSize,
            alignment: 16
        )
        unsafe payloads = .allocate(byteCount: capacity * bufferSize, alignment: 4096)
        for index in 0..<capacity { prepare(index) }
        for index in 0..<answerCapacity { prepareAnswer(index) }
    }

    deinit {
        unsafe headers.deallocate()
        unsafe details.deallocate()
        unsafe vectors.deallocate()
        unsafe answers.deallocate()
        unsafe counts.deallocate()
        unsafe answerVectors.deallocate()
        unsafe names.deallocate()
        unsafe controls.deallocate()
        unsafe answerControls.deallocate()
        unsafe payloads.deallocate()
    }

    private func prepare(_ index: Int) {
        unsafe vectors[index] = iovec(
            iov_base: payloads + index * bufferSize,
            iov_len: bufferSize
        )
        var header = unsafe msghdr()
        unsafe header.msg_name = unsafe names + index * Self.nameSize
        unsafe header.msg_iov = unsafe vectors + index
        unsafe header.msg_iovlen = 1
        unsafe header.msg_control = unsafe controls + index * Self.controlSize
        unsafe (headers + index).initialize(to: clinux_mmsghdr(header: header, count: 0))
        reset(index)
    }

    private func prepareAnswer(_ index: Int) {
        var header = unsafe msghdr()
        unsafe header.msg_iov = unsafe answerVectors + index
        unsafe header.msg_iovlen = 1
        unsafe header.msg_control = unsafe answerControls + index * Self.answerControlSize
        unsafe (answers + index).initialize(to: clinux_mmsghdr(header: header, count: 0))
    }

    /// Undoes what a receive has changed in a message's header.
    func reset(_ index: Int) {
        unsafe headers[index].header.msg_namelen = socklen_t(Self.nameSize)
        unsafe headers[index].header.msg_controllen = Self.controlSize
        unsafe headers[index].header.msg_flags = 0
    }

    /// What a receive has brought at a place.
    func read(_ index: Int) {
        let header = unsafe headers[index].header
        let count = unsafe Int(headers[index].count)
        let isTruncated = unsafe header.msg_flags & CInt(MSG_TRUNC) != 0
        var message = unsafe DatagramMessage(
            source: InternetAddress(readingFrom: names + index * Self.nameSize),
            bytes: UnsafeRawBufferPointer(
                start: payloads + index * bufferSize,
                count: min(count, bufferSize)
            ),
            isTruncated: isTruncated
        )
        unsafe message.read(
            UnsafeRawBufferPointer(start: header.msg_control, count: header.msg_controllen)
        )
        unsafe (details + index).initialize(to: message)
    }
}
