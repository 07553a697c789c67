import CEchoLinux

/// The columns of a terminal; `nil` if the descriptor is not a terminal, or does not report them.
///
/// The corresponding C function is `ioctl` with `TIOCGWINSZ`.
package func terminalColumns(of number: CInt) -> Int? {
    let columns = clinux_terminal_columns(number)
    return columns > 0 ? Int(columns) : nil
}
