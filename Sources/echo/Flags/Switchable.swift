/// The value of a setting that a word can turn off, so that a higher-priority source can undo a
/// lower one.
enum Switchable<Value: Sendable>: Sendable {
    /// The word was given: `never`, `unlimited`, `auto` or `none`.
    case off
    case on(Value)

    /// The value; `nil` if turned off.
    var value: Value? {
        switch self {
        case .off: nil
        case .on(let value): value
        }
    }
}
