import Testing

@testable import echo

/// Durations and sizes as settings print them.
struct QuantityTests {
    @Test(
        arguments: [
            (.zero, "0s"), (.seconds(1), "1s"), (.seconds(90), "90s"), (.seconds(120), "2m"),
            (.seconds(7200), "2h"), (.milliseconds(1500), "1500ms"), (.microseconds(7), "7us"),
        ] as [(Duration, String)]
    )
    func `durations are written as they are read`(_ duration: Duration, _ text: String) throws {
        #expect(Quantity.text(duration) == text)
        #expect(try Parse.duration(text) == duration)
    }

    @Test(arguments: [(64, "64"), (1024, "1KiB"), (3 << 20, "3MiB"), (1 << 30, "1GiB")])
    func `sizes are written as they are read`(_ bytes: Int, _ text: String) throws {
        #expect(Quantity.text(bytes) == text)
        #expect(try Parse.size(1...(1 << 30))(text) == bytes)
    }
}
