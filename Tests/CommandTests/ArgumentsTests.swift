import Testing

@testable import echo

/// What becomes of arguments before they are parsed.
@Suite(.timeLimit(.minutes(5)))
struct ArgumentsTests {
    @Test(arguments: [
        ([], []),
        (["--workers", "-1", "--listen", "7"], ["--workers=-1", "--listen", "7"]),
        (["--idle-timeout", "-.5s"], ["--idle-timeout=-.5s"]),
        (["--workers=", "7"], ["--workers", "", "7"]),
        (["--workers=2", "-1"], ["--workers=2", "-1"]),
        (["--workers", "--help"], ["--workers", "--help"]),
        (["-h", "-1"], ["-h", "-1"]),
        (["client", "-1"], ["client", "-1"]),
        (["client", "--", "-1", "--x="], ["client", "--", "-1", "--x="]),
        (["--", "-1"], ["--", "-1"]),
    ])
    func `values that would not be taken for values become plain`(
        _ arguments: [String],
        _ expected: [String]
    ) {
        #expect(Arguments.withPlainValues(arguments) == expected)
    }

    @Test(arguments: [
        ("serv", "serve"), ("Serve", "serve"), ("clinet", "client"), ("serve", nil), ("", nil),
        ("x", nil), ("modelling", nil),
    ])
    func `what was meant by a word`(_ word: String, _ meant: String?) {
        #expect(Spelling.nearest(to: word, in: ["serve", "client", "check", "models"]) == meant)
    }

    @Test(arguments: [
        ("", "serve", 5), ("serve", "serve", 0), ("serv", "serve", 1), ("clinet", "client", 1),
        ("cehck", "check", 1), ("kitten", "sitting", 3), ("ca", "abc", 3),
    ])
    func `how far apart two words are`(_ from: String, _ to: String, _ distance: Int) {
        #expect(Spelling.distance(from, to) == distance)
        #expect(Spelling.distance(to, from) == distance)
    }
}
