/// A value that changes threads once, and is not used any more by the one it came from.
package struct HandedOver<Value>: @unchecked Sendable {
    /// The value.
    package var value: Value

    /// Hands a value over.
    package init(_ value: Value) {
        self.value = value
    }
}
