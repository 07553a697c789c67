import Glibc

/// Ends an exit test's process with a failure, and says where, unless a condition holds.
func expectOrExit(
    _ condition: @autoclosure () throws -> Bool,
    _ line: Int = #line,
    _ file: StaticString = #fileID
) rethrows {
    if try !condition() {
        print("\(file):\(line): expectation failed")
        exit(EXIT_FAILURE)
    }
}
