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
    case _ where scalar.misleadsInLog: encoded.map(hexEscape).joined()
    default: String(scalar)
    }
}

private func hexEscape(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16, uppercase: true)
    return "\\x" + (digits.count == 1 ? "0" + digits : digits)
}

extension String {
    /// The text with every character escaped that could move the cursor, end the line or disguise
    /// the order of characters, so that it stays on one line and shows what it contains.
    package var escapedForLog: String {
        unicodeScalars.reduce(into: "") { text, scalar in
            if scalar.misleadsInLog {
                text += scalar.escaped(asASCII: true)
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
    }
}

extension Unicode.Scalar {
    /// Whether neither a log nor a terminal may show it unescaped: it could move the cursor, end
    /// the line or hide text.
    package var misleadsInLog: Bool {
        if isASCII { return value < 0x20 || value == 0x7F }
        switch properties.generalCategory {
        case .control, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator:
            return true
        // Joiners belong to the spelling of some scripts and of emoji; the other format characters,
        // such as those that reverse the writing direction, could mislead.
        case .format: return value != 0x200C && value != 0x200D
        default: return false
        }
    }
}
