extension EchoBench {
    /// What was measured, on what, and how to repeat it.
    ///
    /// The names of the properties are the keys of the JSON form, whose version is ``schema``.
    /// Times are nanoseconds where the name says no other unit.
    public struct Report: Codable, Hashable, Sendable {
        /// The version of the JSON form that this version of the package writes.
        public static let currentSchema = 1

        /// The version of the JSON form.
        public var schema = Report.currentSchema
        /// The program and its version, such as `echo 0.1.0`.
        public var tool: String
        /// When the measurement began, RFC 3339 in UTC.
        public var started: String
        /// How long it took.
        public var seconds: Double
        /// The command that repeats it, as a shell takes it.
        public var command: String
        /// The seed of the rounds' order and of the bytes sent.
        public var seed: UInt64
        /// Where it was measured.
        public var environment: Environment
        /// How it was measured.
        public var plan: Plan
        /// The servers, in the order in which they were named; ratios refer to the first.
        public var subjects: [Subject]
        /// A result for each server and load.
        public var results: [Result]
        /// What makes the figures doubtful, in whole sentences.
        public var warnings: [String]
    }

    /// The machine of a measurement.
    public struct Environment: Codable, Hashable, Sendable {
        /// The kernel and its version, such as `Linux 6.18.44`.
        public var kernel: String
        /// The processor's name, if `/proc/cpuinfo` gives one.
        public var processor: String?
        /// Processors that the process may use.
        public var processors: Int
        /// Bytes of memory.
        public var memoryBytes: Int?
        /// How the first processor's frequency is governed, such as `performance`.
        public var frequencyGovernor: String?
        /// The load average of the last minute when the measurement began.
        public var loadAverage: Double?
        /// What the kernel does about each processor fault that it knows of.
        public var mitigations: [String: String]
        /// The processors that servers were bound to; empty if they were not.
        public var serverProcessors: [Int]
        /// The processors that the clients were bound to; empty if they were not.
        public var clientProcessors: [Int]
    }

    /// How a measurement was made.
    public struct Plan: Codable, Hashable, Sendable {
        /// The loads.
        public var loads: [Load]
        /// Rounds of each server and load.
        public var rounds: Int
        /// How long a round was measured.
        public var roundSeconds: Double
        /// How long a round ran before it was measured.
        public var warmUpSeconds: Double
        /// How long the clients polled for an answer before they slept, at most; `nil` if they did
        /// not.
        public var clientPollSeconds: Double?
    }

    /// A server of a measurement.
    public struct Subject: Codable, Hashable, Sendable {
        /// Its name in the tables, different from all others.
        public var name: String
        /// Where it comes from.
        public var kind: SubjectKind
        /// The command that started it, or its endpoint.
        public var detail: String
    }

    /// What came of one server under one load.
    public struct Result: Codable, Hashable, Sendable {
        /// The server: an index of ``Report/subjects``.
        public var subject: Int
        /// The load: an index of ``Plan/loads``.
        public var load: Int
        /// The rounds that were measured, in the order in which they ran.
        public var rounds: [Round]
        /// The time from sending a message to its whole echo, of all rounds together.
        public var service: Latency?
        /// The time from the intended moment of sending to the whole echo, of all rounds together;
        /// open loop only.
        public var response: Latency?
        /// Why there are fewer rounds than planned, if so.
        public var failure: String?
    }

    /// One round.
    public struct Round: Codable, Hashable, Sendable {
        /// Its place in the order of all rounds of the measurement, from 0.
        public var position: Int
        /// How long was measured.
        public var seconds: Double
        /// Messages that came back whole.
        public var echoes: Int
        /// Bytes of these messages.
        public var bytes: Int
        /// Bytes that were not those expected; any makes the round a failure of the server.
        public var wrongBytes: Int
        /// Connections that were refused, or ended by the server.
        public var failedConnections: Int
        /// Messages that could not be sent on schedule, because an earlier one of the connection
        /// had not been answered; open loop only.
        public var missedSends: Int?
        /// Datagrams that did not come back in time; `nil` over connections.
        public var lostDatagrams: Int?
        /// The 50th percentile of the time from sending to the whole echo; `nil` without an echo.
        public var p50: Int?
        /// The 99th percentile; `nil` if there were too few samples for it.
        public var p99: Int?
        /// The 99.9th percentile; `nil` if there were too few samples for it.
        public var p999: Int?
        /// The 50th percentile of the time from the intended moment of sending; open loop only.
        public var responseP50: Int?
        /// The 99th percentile of that time; open loop only.
        public var responseP99: Int?
        /// The 99.9th percentile of that time; open loop only.
        public var responseP999: Int?
        /// Processor time of the clients, in seconds.
        public var clientProcessorSeconds: Double
        /// What the server used meanwhile; `nil` if it may not be looked at.
        public var server: ServerCost?
    }

    /// What a server used in a round.
    public struct ServerCost: Codable, Hashable, Sendable {
        /// Processor time in its own code, in seconds.
        public var userSeconds: Double
        /// Processor time in the kernel, in seconds.
        public var systemSeconds: Double
        /// System calls; `nil` where they could not be counted.
        public var systemCalls: Int?
        /// Context switches because it waited.
        public var voluntarySwitches: Int
        /// Context switches because another thread's turn had come.
        public var involuntarySwitches: Int
        /// Threads at the round's end.
        public var threads: Int
        /// Bytes of memory that each open connection added, those of the kernel not counted; `nil`
        /// where there are too few connections to tell.
        public var memoryPerConnection: Double?
    }

    /// A distribution of times, in nanoseconds.
    public struct Latency: Codable, Hashable, Sendable {
        /// How many times were measured.
        public var samples: Int
        /// The shortest.
        public var minimum: Int
        /// The longest.
        public var maximum: Int
        /// The arithmetic mean.
        public var mean: Double
        /// The standard deviation.
        public var standardDeviation: Double
        /// The curve from the minimum to the highest percentile for which there are samples enough,
        /// in ascending order.
        public var curve: [Point]

        /// A point of the curve.
        public struct Point: Codable, Hashable, Sendable {
            /// From 0 to 100.
            public var percentile: Double
            /// The time that this part of the samples does not exceed.
            public var nanoseconds: Int
        }
    }
}
