extension EchoServer.IOModel {
    /// The type that serves in this way: the one place where models are listed.
    var implementation: any ServingModel.Type {
        switch self {
        case .threadPerClient: ThreadPerClientModel.self
        case .select: SelectModel.self
        case .asyncSelect: AsyncSelectModel.self
        case .eventSelect: EventSelectModel.self
        case .overlapped: OverlappedModel.self
        case .overlappedRoutine: OverlappedRoutineModel.self
        case .completionPort: CompletionPortModel.self
        }
    }
}
