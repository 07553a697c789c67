package typealias CompletionRoutine = (Operation) -> Void
