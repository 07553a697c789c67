import EchoServer

/// A flag of `serve` that may also be set in the configuration file and in the environment.
struct Setting: Sendable {
    /// The flag's name without dashes; also the key in the file.
    let key: String
    /// Whether it may be given several times.
    let isRepeatable: Bool
    /// Its default, in the form of a value.
    let standard: @Sendable (ServeFlags) -> String
    /// Its values in the flag's form; empty if it was not given.
    let values: @Sendable (ServeFlags) -> [String]
    /// Copies it from another parse of the command.
    let take: @Sendable (inout ServeFlags, ServeFlags) -> Void

    /// Its name in the environment.
    var variable: String {
        "ECHO_" + key.uppercased().map { $0 == "-" ? "_" : String($0) }.joined()
    }

    private init<Value>(
        _ key: String,
        _ property: any WritableKeyPath<ServeFlags, Value?> & Sendable,
        _ standard: String,
        _ text: @escaping @Sendable (Value) -> String
    ) {
        self.key = key
        self.standard = { _ in standard }
        isRepeatable = false
        values = { $0[keyPath: property].map { [text($0)] } ?? [] }
        take = { $0[keyPath: property] = $1[keyPath: property] }
    }

    private init<Value>(
        _ key: String,
        list property: any WritableKeyPath<ServeFlags, [Value]> & Sendable,
        _ standard: String
    ) {
        self.key = key
        self.standard = { _ in standard }
        isRepeatable = true
        values = { $0[keyPath: property].map { "\($0)" } }
        take = { $0[keyPath: property] = $1[keyPath: property] }
    }

    // The same, with a word that turns it off, which is the default unless another is given.
    private init<Value>(
        _ key: String,
        _ property: any WritableKeyPath<ServeFlags, Switchable<Value>?> & Sendable,
        off word: String,
        on standard: String? = nil,
        _ text: @escaping @Sendable (Value) -> String
    ) {
        self.init(key, property, standard ?? word) { $0.value.map(text) ?? word }
    }

    // The same, with a default that depends on the model.
    private init<Value>(
        _ key: String,
        _ property: any WritableKeyPath<ServeFlags, Value?> & Sendable,
        _ standard: @escaping @Sendable (EchoServer.IOModel) -> String,
        _ text: @escaping @Sendable (Value) -> String
    ) {
        self.key = key
        self.standard = { flags in
            standard((try? flags.options.configuration().model) ?? .completionPort)
        }
        isRepeatable = false
        values = { $0[keyPath: property].map { [text($0)] } ?? [] }
        take = { $0[keyPath: property] = $1[keyPath: property] }
    }

    private static func name(_ value: some RawRepresentable<String>) -> String { value.rawValue }
    private static func number(_ value: Int) -> String { "\(value)" }

    /// All settings, in the order of the help.
    static let all: [Setting] = [
        Setting("listen", list: \.options.listen, "localhost:5150"),
        Setting("model", \.options.model, { $0.rawValue }, name),
        Setting("backend", \.options.backend, { $0.backend.rawValue }, name),
        Setting("workers", \.options.workers, off: "auto", number),
        Setting("max-connections", \.options.maxConnections, off: "unlimited", number),
        Setting("when-full", \.options.whenFull, "reject", name),
        Setting("max-per-peer", \.options.maxPerPeer, off: "unlimited", number),
        Setting("idle-timeout", \.options.idleTimeout, off: "never", Quantity.text),
        Setting("shutdown-delay", \.options.shutdownDelay, "0s", Quantity.text),
        Setting("drain-timeout", \.options.drainTimeout, "5s", Quantity.text),
        Setting("pending-limit", \.options.pendingLimit, "64KiB", Quantity.text),
        Setting("backlog", \.options.backlog, "4096", number),
        Setting("keepalive", \.options.sockets.keepalive, off: "never", on: "2m", Quantity.text),
        Setting(
            "receive-buffer",
            \.options.sockets.receiveBuffer,
            off: "auto",
            on: "256KiB",
            Quantity.text
        ),
        Setting("socket-mode", \.options.sockets.socketMode, off: "umask") { mode in
            String(mode, radix: 8)
        },
        Setting("socket-group", \.options.sockets.socketGroup, off: "none") { $0 },
        Setting("loop-guard", \.options.datagrams.loopGuard, "on", name),
        Setting("datagram-rate", \.options.datagrams.datagramRate, "1000", number),
        Setting("busy-poll", \.options.busyPoll, off: "auto", on: "0s", Quantity.text),
        Setting("splice", \.options.splice, "auto", name),
        Setting("log-level", \.logging.logLevel, "info", name),
        Setting("log-format", \.logging.logFormat, "text", name),
        Setting("metrics", \.monitoring.metrics, off: "none") { "\($0)" },
    ]
}
