/// Bytes as a terminal can safely show them.
///
/// Printable UTF-8 text is unchanged. Everything that could move the cursor, change the terminal's
/// state or hide text is escaped: `\n`, `\r`, `\t`, `\\`, and `\xNN` for each byte of a control
/// character, of an invisible format character, or of what is not UTF-8.
package func escapedText(_ bytes: some Collection<UInt8>) -> String {
    var text = ""
    var parser = Unicode.UTF8.ForwardParser()
    var iterator = bytes.makeIterator()
    var rest = bytes[...]
    while true {
        switch parser.parseScalar(from: &iterator) {
        case .emptyInput:
            return text
        case .error(let length):
            for byte in rest.prefix(length) { text += hexEscape(byte) }
            rest = rest.dropFirst(length)
        case .valid(let encoded):
            let scalar = Unicode.UTF8.decode(encoded)
            text += escape(scalar, encoded)
            rest = rest.dropFirst(encoded.count)
        }
    }
}

private func escape(_ scalar: Unicode.Scalar, _ encoded: Unicode.UTF8.EncodedScalar) -> String {
    switch scalar {
    case "\n": "\\n"
    case "\r": "\\r"
    case "\t": "\\t"
    case "\\": "\\\\"
    case _ where isPrintable(scalar): String(scalar)
    default: encoded.map(hexEscape).joined()
    }
}

private func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
    // Joiners belong to the spelling of some scripts and of emoji; the other format characters,
    // such as those that reverse the writing direction, could mislead.
    case .format: scalar.value == 0x200C || scalar.value == 0x200D
    default: true
    }
}

private func hexEscape(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16, uppercase: true)
    return "\\x" + (digits.count == 1 ? "0" + digits : digits)
}
