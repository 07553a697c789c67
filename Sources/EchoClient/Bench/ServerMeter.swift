import EchoSockets
import Glibc

/// What a server uses while a round is measured.
final class ServerMeter {
    private let pid: pid_t?
    private let load: EchoBench.Load
    private let memoryBefore: Int?
    private var before: ProcessUsage?
    private var calls: SystemCallCounter?
    private(set) var cost: EchoBench.ServerCost?

    /// Connections from which on the memory of one can be told from what a server needs anyway.
    private static let leastConnections = 100

    /// - Parameters:
    ///   - pid: the server's process; `nil` if it is not known.
    ///   - load: what its clients are going to do.
    ///   - isDatagram: whether they do so over UDP, where a server holds nothing for each.
    init(_ pid: pid_t?, _ load: EchoBench.Load, isDatagram: Bool = false) {
        self.pid = pid
        self.load = load
        let count = load.connections + load.idleConnections
        let isWorthIt = !isDatagram && count >= Self.leastConnections
        memoryBefore =
            isWorthIt
            ? pid.flatMap { ProcessUsage(of: $0, readsMemory: true)?.memory ?? nil } : nil
    }

    func begin() {
        guard let pid else { return }
        calls = SystemCallCounter(of: pid)
        before = ProcessUsage(of: pid)
    }

    func end() {
        guard let pid, let before, let after = ProcessUsage(of: pid) else { return }
        let systemCalls = calls?.count
        let seconds = (after.processorTime - before.processorTime).fractionalSeconds
        let ticks = after.ticks - before.ticks
        let kernelPart =
            ticks > 0 ? Double(after.kernelTicks - before.kernelTicks) / Double(ticks) : 0
        cost = EchoBench.ServerCost(
            userSeconds: seconds * (1 - kernelPart),
            systemSeconds: seconds * kernelPart,
            systemCalls: systemCalls,
            voluntarySwitches: max(0, after.voluntarySwitches - before.voluntarySwitches),
            involuntarySwitches: max(0, after.involuntarySwitches - before.involuntarySwitches),
            threads: after.threads,
            memoryPerConnection: memoryPerConnection(pid)
        )
    }

    private func memoryPerConnection(_ pid: pid_t) -> Double? {
        guard let memoryBefore, let memory = ProcessUsage(of: pid, readsMemory: true)?.memory,
            memory > memoryBefore
        else { return nil }
        return Double(memory - memoryBefore) / Double(load.connections + load.idleConnections)
    }
}
