/// Prepares the arguments for the argument parser.
enum Arguments {
    /// Marks as values what the argument parser would not recognise as such.
    ///
    /// It takes a negative number for a flag, so `--workers -1` becomes `--workers=-1`. For
    /// `--workers=` it would use the next argument as the value, so that becomes two arguments, the
    /// second of them empty. Both are then refused as bad values.
    ///
    /// - Parameter arguments: those of the command line, without the program's name.
    /// - Returns: the same, in the same order.
    static func withPlainValues(_ arguments: [String]) -> [String] {
        let end = arguments.firstIndex(of: "--") ?? arguments.endIndex
        var plain: [String] = []
        for argument in arguments[..<end] {
            if isNegative(argument), let flag = plain.last, isFlag(flag), !flag.contains("=") {
                plain[plain.count - 1] = flag + "=" + argument
            } else if isFlag(argument), argument.firstIndex(of: "=") == argument.indices.last {
                plain += [String(argument.dropLast()), ""]
            } else {
                plain.append(argument)
            }
        }
        return plain + arguments[end...]
    }

    private static func isFlag(_ argument: String) -> Bool {
        argument.hasPrefix("--") && argument.count > 2
    }

    private static func isNegative(_ argument: String) -> Bool {
        argument.first == "-"
            && argument.dropFirst().first.map { "0123456789.".contains($0) } == true
    }
}
