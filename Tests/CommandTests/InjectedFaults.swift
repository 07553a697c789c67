import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// Makes chosen calls of the C library fail in a program under test, from outside: see
/// `Tests/Preload/fail.c`, which is compiled for the purpose and loaded into the program.
final class InjectedFaults: Sendable {
    /// Which calls of a function fail, and how.
    struct Rule: Sendable {
        /// The C function; `epoll_ctl` stands for adding a descriptor, `setsockopt-LEVEL-NAME` for
        /// setting one option.
        let call: String
        /// What it leaves in `errno`; 0 for a transfer of a single byte, negative for a delay.
        let errno: CInt
        /// How many calls are spared first.
        var from = 0
        /// Of how many calls one fails.
        var oneIn = 1

        init(_ call: String, _ errno: CInt, from: Int = 0, oneIn: Int = 1) {
            self.call = call
            self.errno = errno
            self.from = from
            self.oneIn = oneIn
        }

        /// Calls that do what they should, but late.
        init(_ call: String, lateBy milliseconds: CInt, oneIn: Int = 1) {
            self.init(call, -milliseconds, oneIn: oneIn)
        }
    }

    /// What makes a run's failures differ from another's: `ECHO_SEED`, or by chance.
    static let seed: UInt64 = {
        let text = unsafe getenv("ECHO_SEED").flatMap { unsafe UInt64(String(cString: $0)) }
        let seed = text ?? .random(in: 0 ... .max)
        print("injected faults: ECHO_SEED=\(seed)")
        return seed
    }()

    private let folder: TemporaryFolder
    private let state: Descriptor
    private let rules: [Rule]
    private let library: String
    private let includesDispatch: Bool

    /// Rules that apply from the start of the program, or from ``apply(_:)`` on.
    init(_ rules: [Rule], fromStart: Bool = false, includingDispatch: Bool = false) async throws {
        self.rules = rules
        includesDispatch = includingDispatch
        library = try await Self.built.value.path("fail.so")
        folder = try TemporaryFolder()
        state = try folder.file("state", holding: [UInt8](repeating: 0, count: 4096))
        if fromStart { apply(true) }
    }

    /// What to start the program through.
    var wrapper: [String] {
        let texts = rules.map { "\($0.call):\($0.errno):\($0.from):\($0.oneIn)" }
        let variables = [
            "LD_PRELOAD=\(library)", "FAIL_RULES=\(texts.joined(separator: ","))",
            "FAIL_SEED=\(Self.seed)", "FAIL_STATE=\(folder.path("state"))",
        ]
        return ["/usr/bin/env"] + variables + (includesDispatch ? ["FAIL_DISPATCH=1"] : [])
    }

    /// Lets the rules apply, or not any more.
    func apply(_ isOn: Bool) {
        var word: UInt64 = isOn ? 1 : 0
        _ = unsafe pwrite(state.rawValue, &word, 8, 0)
    }

    /// How many calls the rules have made fail, by rule.
    var failures: [Int] {
        let bytes = readFile(folder.path("state"))
        return unsafe bytes.withUnsafeBytes { words in
            rules.indices.map { index in
                Int(unsafe words.load(fromByteOffset: (2 * index + 2) * 8, as: UInt64.self))
            }
        }
    }

    private static let built = Task {
        let folder = try TemporaryFolder()
        let tests = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
        let arguments = [
            "clang", "-O1", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o",
            folder.path("fail.so"), "/\(tests)/Preload/fail.c", "-ldl",
        ]
        let compiler = try RunningProcess("/usr/bin/env", arguments)
        let result = try await compiler.result(within: .seconds(60))
        try #require(result.exit == .code(0), "\(result.errors)")
        return folder
    }
}
