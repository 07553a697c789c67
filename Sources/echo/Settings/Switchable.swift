/// The value of a setting that can be turned off by a word, so that a nearer source can undo what a
/// farther one says.
enum Switchable<Value: Sendable>: Sendable {
    /// The word was given: `never`, `unlimited`, `auto` or `none`.
    case off
    case on(Value)

    /// The value; `nil` if it is turned off.
    var value: Value? {
        switch self {
        case .off: nil
        case .on(let value): value
        }
    }
}
