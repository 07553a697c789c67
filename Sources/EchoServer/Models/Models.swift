extension EchoServer.IOModel {
    /// The type that implements the model; this is the only list of models.
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
