package struct OverlappedEvent: Hashable, Sendable {}
