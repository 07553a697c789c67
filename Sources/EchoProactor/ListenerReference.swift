import EchoSockets

/// A listening socket that a table owns, as one word.
@safe struct ListenerReference {
    private let box: Unmanaged<ListenerBox>

    init(_ listener: consuming Listener) {
        unsafe box = .passRetained(ListenerBox(listener))
    }

    var number: CInt { unsafe box.takeUnretainedValue().listener.number }

    var hasQueue: Bool { unsafe box.takeUnretainedValue().listener.hasQueue }

    func accept() -> AcceptOutcome {
        unsafe box.takeUnretainedValue().listener.accept()
    }

    /// Closes the listener; the reference must not be used again.
    func close() {
        unsafe box.release()
    }
}

private final class ListenerBox {
    let listener: Listener

    init(_ listener: consuming Listener) {
        self.listener = listener
    }
}
