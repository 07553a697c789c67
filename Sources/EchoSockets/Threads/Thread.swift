import CEchoLinux
import Glibc

/// A thread of the operating system, for work that blocks.
///
/// Blocking in a task or on a shared dispatch queue would starve other work, so a server's loops
/// and blocking calls have their own threads.
package final class Thread: Sendable {
    /// Bytes of stack, unless a thread wants another number.
    package static var stackSize: Int { 512 * 1024 }

    private let handle: pthread_t

    /// The calling thread.
    package static var current: Thread { Thread(handle: pthread_self()) }

    private init(handle: pthread_t) {
        self.handle = handle
    }

    /// Starts a thread.
    ///
    /// The corresponding C function is `pthread_create`.
    ///
    /// - Parameters:
    ///   - name: shown by `ps -L` and debuggers; cut to 15 bytes.
    ///   - stackSize: bytes of stack.
    ///   - body: what the thread does. It must end before what it uses is destroyed: see
    ///     ``join()``.
    /// - Throws: `EAGAIN` when the system allows no further thread.
    package init(
        name: String,
        stackSize: Int = Thread.stackSize,
        _ body: @escaping @Sendable () -> Void
    ) throws(SystemError) {
        var attributes = pthread_attr_t()
        unsafe pthread_attr_init(&attributes)
        defer { unsafe pthread_attr_destroy(&attributes) }
        unsafe pthread_attr_setstacksize(&attributes, stackSize)
        let context = unsafe Unmanaged.passRetained(ThreadBody(name: name, body))
        var thread = pthread_t()
        let status = unsafe pthread_create(&thread, &attributes, threadMain, context.toOpaque())
        guard status == 0 else {
            unsafe context.release()
            throw SystemError(call: "pthread_create", errno: Errno(rawValue: status))
        }
        handle = thread
    }

    /// Waits until the thread has ended.
    ///
    /// Call it exactly once, from another thread.
    package func join() {
        pthread_join(handle, nil)
    }

    /// Frees the thread's memory automatically when it ends, instead of ``join()``.
    package func detach() {
        pthread_detach(handle)
    }

    /// Interrupts a system call that the thread is blocked in, so that it fails with `EINTR`.
    ///
    /// A thread that is just about to block misses it: repeat until the thread has reacted.
    package func interrupt(with signal: InterruptSignal) {
        pthread_kill(handle, signal.number)
    }
}

/// A signal whose arrival does nothing but end a blocking system call with `EINTR`.
package struct InterruptSignal: Sendable {
    let number: CInt

    /// Lets the calling thread be interrupted.
    ///
    /// A thread blocks the signals that the one it was started from blocks, and those of Dispatch
    /// and of Swift's cooperative pool block nearly all. The corresponding C function is
    /// `pthread_sigmask`.
    package func unblock() {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        unsafe sigaddset(&set, number)
        unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }

    /// Reserves the highest real-time signal that the process does not use yet, for the life of the
    /// process.
    ///
    /// An ignored signal counts as used as long as there is another: a process may be started with
    /// all of them ignored. `nil` if all are in use.
    package static let shared: InterruptSignal? = {
        let numbers = (__libc_current_sigrtmin()...__libc_current_sigrtmax()).reversed()
        let free = numbers.first { handler(of: $0) == 0 } ?? numbers.first { handler(of: $0) == 1 }
        guard let free else { return nil }
        var action = sigaction()
        unsafe action.__sigaction_handler.sa_handler = { _ in }
        return unsafe sigaction(free, &action, nil) == 0 ? InterruptSignal(number: free) : nil
    }()

    // 0 for the default action (`SIG_DFL`), 1 if it is ignored (`SIG_IGN`).
    private static func handler(of number: CInt) -> Int? {
        var action = sigaction()
        guard unsafe sigaction(number, nil, &action) == 0 else { return nil }
        return unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
    }
}

private final class ThreadBody {
    let name: String
    let run: @Sendable () -> Void

    init(name: String, _ run: @escaping @Sendable () -> Void) {
        self.name = name
        self.run = run
    }
}

private func threadMain(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument = unsafe argument else { return nil }
    let body = unsafe Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue()
    _ = unsafe String(body.name.prefix(15)).withCString { name in
        unsafe pthread_setname_np(pthread_self(), name)
    }
    body.run()
    return nil
}
