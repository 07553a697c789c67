extension EchoCheck {
    /// How a check ended.
    public enum Outcome: String, Hashable, Sendable {
        /// The server did what it is expected to do.
        case passed
        /// It did not.
        case failed
        /// The check does not apply to this endpoint.
        case notApplicable = "not-applicable"
    }

    /// What was wrong with the server.
    ///
    /// The raw value is its name in reports.
    @nonexhaustive
    public enum Fault: String, CaseIterable, Hashable, Sendable {
        /// It accepted no further connection.
        case refused
        /// Everything that came was right, but not all of it came in time.
        case late
        /// The connection broke, usually because the server reset it.
        case reset
        /// The server ended the connection in good order, but too early.
        case ended
        /// Bytes came that were not sent, or not at that place.
        case wrong
    }

    /// The result of one check.
    public struct Result: Hashable, Sendable {
        /// The check.
        public let check: Check
        /// How it ended.
        public let outcome: Outcome
        /// What was wrong if it failed; otherwise `nil`.
        public let fault: Fault?
        /// What was seen, in one line.
        public let evidence: String
        /// How long it took.
        public let duration: Duration

        /// A result.
        package init(
            check: Check,
            outcome: Outcome,
            fault: Fault? = nil,
            evidence: String,
            duration: Duration
        ) {
            self.check = check
            self.outcome = outcome
            self.fault = fault
            self.evidence = evidence
            self.duration = duration
        }
    }

    /// What a run has found.
    public struct Report: Hashable, Sendable {
        /// The numeric address that was checked, such as `127.0.0.1:7`; `nil` if the task was
        /// cancelled before there was a connection.
        public internal(set) var address: String?
        /// The results of the checks that ended, in the order of ``EchoCheck/checks``.
        public internal(set) var results: [Result] = []
        /// How long the run took.
        public internal(set) var duration = Duration.zero
        /// Whether every check ended; `false` if the task was cancelled before.
        public internal(set) var isComplete = false

        /// Whether every check ended, and none failed.
        public var passed: Bool {
            isComplete && results.allSatisfy { $0.outcome != .failed }
        }
    }
}
