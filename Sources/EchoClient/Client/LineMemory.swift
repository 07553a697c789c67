/// The line whose answer is awaited, and those before it, whose answers may still come.
struct LineMemory {
    /// What became of a line.
    enum Fate: Hashable {
        case answered
        case late
        case refused
    }

    /// What a datagram is.
    enum Match: Hashable {
        /// The answer to the line that awaits one.
        case answer(Line)
        /// The answer to one that had been given up.
        case late(Line)
        /// A further answer.
        case again(Line)
        /// None: no line awaits one.
        case unasked
    }

    private static let capacity = 64

    /// The line that awaits its answer.
    private(set) var open: Line?
    private var settled: [(line: Line, fate: Fate)] = []

    /// Whether a line awaits its answer.
    var isOpen: Bool { open != nil }

    /// A line is about to be sent.
    mutating func begin(_ line: Line) {
        open = line
    }

    /// No answer is awaited any more.
    mutating func settle(_ fate: Fate) {
        guard let line = open else { return }
        open = nil
        if settled.count == Self.capacity { settled.removeFirst() }
        settled.append((line, fate))
    }

    /// Finds out what a datagram from the server is, by its bytes: datagrams may overtake each
    /// other.
    ///
    /// Other bytes than those of any line are the answer of a server that does not echo.
    mutating func match(_ bytes: [UInt8]) -> Match {
        if let open, open.bytes == bytes { return .answer(open) }
        if let place = settled.lastIndex(where: { $0.line.bytes == bytes }) {
            let (line, fate) = settled[place]
            settled[place].fate = .answered
            return fate == .answered ? .again(line) : .late(line)
        }
        return open.map { .answer($0) } ?? .unasked
    }
}
