import EchoSockets
import EchoTestSupport
import Testing

struct EscapedTextTests {
    @Test(
        arguments: [
            ([], ""),
            (Array("plain 'text' ~".utf8), "plain 'text' ~"),
            (
                Array("Gr\u{FC}\u{DF}e \u{4F60}\u{597D} \u{1F600}".utf8),
                "Gr\u{FC}\u{DF}e \u{4F60}\u{597D} \u{1F600}"
            ),
            (Array("a\nb\rc\td\\e".utf8), "a\\nb\\rc\\td\\\\e"),
            ([0, 7, 8, 0x1B, 0x1F, 0x7F], "\\x00\\x07\\x08\\x1B\\x1F\\x7F"),
            (Array("\u{80}\u{9B}31m\u{9F}".utf8), "\\xC2\\x80\\xC2\\x9B31m\\xC2\\x9F"),
            ([0xFF, 0x41, 0xFE], "\\xFFA\\xFE"),
            ([0xC3], "\\xC3"),
            ([0xE4, 0xBD, 0x41], "\\xE4\\xBDA"),
            ([0xC0, 0xAF], "\\xC0\\xAF"),
            ([0xED, 0xA0, 0x80], "\\xED\\xA0\\x80"),
            ([0xF4, 0x90, 0x80, 0x80], "\\xF4\\x90\\x80\\x80"),
            (
                Array("a\u{202E}b\u{2028}c\u{200B}".utf8),
                "a\\xE2\\x80\\xAEb\\xE2\\x80\\xA8c\\xE2\\x80\\x8B"
            ),
            (Array("\u{E000}".utf8) + [0xEF, 0xB7, 0x90], "\\xEE\\x80\\x80\\xEF\\xB7\\x90"),
            (Array("e\u{301}".utf8), "e\u{301}"),
        ] as [([UInt8], String)]
    )
    func `bytes are shown so that no terminal obeys them`(bytes: [UInt8], text: String) {
        #expect(escapedText(bytes).unicodeScalars.elementsEqual(text.unicodeScalars))
        // A part of something larger is shown like the same bytes alone.
        #expect(escapedText(([1] + bytes)[1...]) == escapedText(bytes))
    }

    @Test func `whatever the bytes, no control character is left`() {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededGenerator(seed: seed)
        for _ in 0..<20_000 {
            let bytes = (0..<8).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            let text = escapedText(bytes)
            let isSafe = text.unicodeScalars.allSatisfy { scalar in
                switch scalar.properties.generalCategory {
                case .control: false
                case .format: scalar.value == 0x200C || scalar.value == 0x200D  // Joiners.
                default: true
                }
            }
            #expect(isSafe, "seed \(seed), bytes \(bytes)")
            if !isSafe { return }
        }
    }
}
