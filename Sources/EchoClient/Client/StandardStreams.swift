import EchoSockets
import Glibc

/// Blocks `SIGPIPE` on the calling thread while a body runs, so that writing to a closed pipe
/// fails with `EPIPE` whatever the process has decided about the signal.
func withoutBrokenPipeSignal<Result>(_ body: () -> Result) -> Result {
    var broken = sigset_t()
    var before = sigset_t()
    var pending = sigset_t()
    unsafe sigemptyset(&broken)
    unsafe sigaddset(&broken, SIGPIPE)
    unsafe sigpending(&pending)
    let wasPending = unsafe sigismember(&pending, SIGPIPE) == 1
    unsafe pthread_sigmask(SIG_BLOCK, &broken, &before)
    let result = body()
    if !wasPending {
        var now = timespec()
        while unsafe sigtimedwait(&broken, nil, &now) == SIGPIPE {}
    }
    unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
    return result
}

/// Memory that is filled at its end and emptied from its front.
@safe struct TransferBuffer: ~Copyable {
    private let memory: UnsafeMutableRawBufferPointer
    private var start = 0
    private var end = 0

    init(capacity: Int) {
        unsafe memory = .allocate(byteCount: capacity, alignment: 16)
    }

    deinit {
        unsafe memory.deallocate()
    }

    var count: Int { end - start }
    var isEmpty: Bool { start == end }

    /// Fills the empty buffer with what `body` stores in it.
    mutating func fill(_ body: (UnsafeMutableRawBufferPointer) -> Int) {
        start = 0
        end = unsafe max(body(memory), 0)
    }

    /// Lets `body` take up to a number of bytes from the front, and removes what it took.
    mutating func drain(atMost limit: Int = .max, _ body: (UnsafeRawBufferPointer) -> Int) {
        let part = unsafe UnsafeRawBufferPointer(
            rebasing: memory[start..<start + min(count, limit)]
        )
        start += unsafe max(body(part), 0)
    }

    /// Discards the rest.
    mutating func clear() {
        start = end
    }
}
