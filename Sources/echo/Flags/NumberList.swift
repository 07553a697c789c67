import ArgumentParser
import EchoClient

extension Parse {
    /// Values with commas between them, each converted by itself.
    static func list<Value: Sendable>(
        of parse: @escaping @Sendable (String) throws -> Value
    ) -> @Sendable (String) throws -> ValueList<Value> {
        { text in
            let parts = text.split(separator: ",", omittingEmptySubsequences: false)
            return ValueList(values: try parts.map { try parse(String($0)) })
        }
    }

    /// Messages a second, with decimals if need be.
    static func rate(_ text: String) throws -> Double {
        let isPlain = text.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2E }
        guard isPlain, let rate = Double(text), EchoBench.Load.rates.contains(rate)
        else {
            throw ValidationError("it must be a number of messages a second from 0.001 to 10000000")
        }
        return rate
    }

    /// The number of a processor.
    static func processor(_ text: String) throws -> Int {
        try count(0...65535)(text)
    }
}

/// The values of a flag that takes several.
struct ValueList<Value: Sendable>: Sendable {
    /// At least one.
    var values: [Value]
}
