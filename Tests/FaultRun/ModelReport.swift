import EchoServer
import EchoSockets

/// What a run against one model came to.
struct ModelReport: Sendable {
    /// The model.
    let model: EchoServer.IOModel
    /// What its clients saw.
    var clients = CrowdTotals()
    /// What the background load saw.
    var background = LatencyProbe.Report()
    /// What was done to the server from outside.
    var torment = TormentTotals()
    /// Descriptors still open after all connections had gone.
    var leakedDescriptors = 0
    /// Peak of the server's memory during the faults.
    var peakResidentBytes = 0
    /// Processor time in ``RestingCosts/span``.
    var resting = RestingCosts()
    /// What the attacks came to.
    var crowd = CrowdReport()
    /// What is not as it must be, in words.
    var failures: [String] = []

    var bytesVerified: Int { clients.bytesVerified + background.bytesVerified }
    var faults: Int { clients.faults + torment.faults }
    var wrongBytes: Int { clients.wrongBytes + background.wrongBytes }

    /// Expects that something is as it must be.
    mutating func expect(_ condition: Bool, _ complaint: String) {
        if !condition { failures.append(complaint) }
    }
}

/// What attacks of many connections came to.
struct CrowdReport: Sendable {
    /// Connections that were open at once.
    var connections = 0
    /// Of those, connections that send and never read.
    var slowReaders = 0
    /// The active connection's p99 while the crowd was arriving, while it was silent, and while it
    /// was closed at once.
    var arriving = Duration.zero
    var silent = Duration.zero
    var closing = Duration.zero
    /// Peak of the server's memory.
    var peakResidentBytes = 0
}
