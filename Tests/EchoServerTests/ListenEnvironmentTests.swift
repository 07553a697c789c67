import Testing

@testable import EchoServer

/// The variables of socket activation.
struct ListenEnvironmentTests {
    private func names(_ process: String?, _ count: String?, _ names: String?) throws -> [String] {
        try ListenEnvironment(process: process, count: count, names: names).names(for: 4711)
    }

    @Test func `descriptors have the names that are given, or unknown`() throws {
        #expect(try names("4711", "3", "echo:admin:echo") == ["echo", "admin", "echo"])
        #expect(try names("4711", "2", nil) == ["unknown", "unknown"])
        #expect(try names("4711", "2", ":a") == ["unknown", "a"])
        #expect(try names("4711", "0", nil) == [])
        #expect(try names("4711", "0", "") == [])
    }

    @Test func `those of another process, or of nobody, are not taken`() throws {
        #expect(try names("4712", "3", "a:b:c") == [])
        #expect(try names("4712", "nonsense", nil) == [])
        #expect(try names(nil, "3", "a:b:c") == [])
        #expect(try names("4711", nil, nil) == [])
    }

    @Test(arguments: [
        ("", "1", "a", #"LISTEN_PID is "";"#),
        ("0", "1", "a", #"LISTEN_PID is "0";"#),
        ("-1", "1", "a", #"LISTEN_PID is "-1";"#),
        ("x\u{1B}", "1", "a", #"LISTEN_PID is "x\u{1B}";"#),
        ("4711", "", "", #"LISTEN_FDS is "";"#),
        ("4711", "-1", "a", #"LISTEN_FDS is "-1";"#),
        ("4711", "99999999999999999999", "a", #"LISTEN_FDS is "99999999999999999999";"#),
        ("4711", "65537", "a", #"LISTEN_FDS is "65537";"#),
        ("4711", "2", "a", "LISTEN_FDNAMES has 1 names for the 2 descriptors"),
        ("4711", "1", "a:", "LISTEN_FDNAMES has 2 names for the 1 descriptors"),
    ])
    func `a value that makes no sense is named`(
        _ process: String,
        _ count: String,
        _ names: String,
        _ message: String
    ) {
        let failure = #expect(throws: EchoServer.Failure.self) {
            try self.names(process, count, names)
        }
        #expect(failure?.code == .invalidConfiguration)
        #expect(failure?.message.hasPrefix(message) == true, "\(failure?.message ?? "")")
    }
}
