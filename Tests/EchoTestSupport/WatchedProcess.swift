import EchoSockets
import Glibc

/// The part of a running process that its reading and waiting threads share.
final class WatchedProcess: Sendable {
    private struct Written: Sendable {
        var output: [UInt8] = []
        var errors: [UInt8] = []
        var openStreams = 2
    }

    let pid: pid_t
    let exit = Completion<RunningProcess.Exit>()
    private let written = Locked(Written())
    private let isAlive = Locked(true)

    init(pid: pid_t) {
        self.pid = pid
    }

    /// Starts collecting what the process writes, and waiting for its end.
    func start(reading: (output: CInt, errors: CInt)) throws(SystemError) {
        try follow(reading.output, .standardOutput)
        try follow(reading.errors, .standardError)
        try Thread(name: "wait \(pid)", stackSize: testStackSize) { self.awaitExit() }.detach()
    }

    var isAtEnd: Bool { exit.current != nil && written.withLock { $0.openStreams == 0 } }

    func written(to stream: RunningProcess.Stream) -> [UInt8] {
        written.withLock { stream == .standardOutput ? $0.output : $0.errors }
    }

    func send(signal: CInt) {
        // Under the lock that reaping takes, so that the number cannot be another's by now.
        isAlive.withLock { alive in
            if alive { kill(pid, signal) }
        }
    }

    private func awaitExit() {
        var information = unsafe siginfo_t()
        _ = transferCall {
            unsafe Int(waitid(P_PID, id_t(pid), &information, CInt(WEXITED | WNOWAIT)))
        }
        var status: CInt = 0
        isAlive.withLock { alive in
            unsafe waitpid(pid, &status, 0)
            alive = false
        }
        let signal = status & 0x7F
        exit.complete(signal == 0 ? .code(status >> 8 & 0xFF) : .signal(signal))
    }

    private func follow(_ number: CInt, _ stream: RunningProcess.Stream) throws(SystemError) {
        try Thread(name: "read \(pid)", stackSize: testStackSize) {
            var buffer = [UInt8](repeating: 0, count: 64 * 1024)
            while true {
                let count = transferCall { unsafe read(number, &buffer, buffer.count) }
                if count <= 0 { break }
                self.written.withLock { written in
                    if stream == .standardOutput {
                        written.output += buffer[..<count]
                    } else {
                        written.errors += buffer[..<count]
                    }
                }
            }
            if number >= 0 { close(number) }
            self.written.withLock { $0.openStreams -= 1 }
        }.detach()
    }
}
