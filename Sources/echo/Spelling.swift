/// Finds what was meant by a word that was mistyped.
enum Spelling {
    /// The name that is spelled nearly so.
    ///
    /// - Parameters:
    ///   - word: what was typed.
    ///   - names: what there is.
    /// - Returns: one of the names; `nil` if none is near, or one is the word itself.
    static func nearest(to word: String, in names: [String]) -> String? {
        let lowercased = word.lowercased()
        if let name = names.first(where: { $0 == lowercased }), name != word { return name }
        let near = names.map { ($0, distance(word, $0)) }.min { $0.1 < $1.1 }
        guard let (name, distance) = near, (1...2).contains(distance), distance < name.count - 1
        else { return nil }
        return name
    }

    /// How many characters have to be typed, deleted, replaced or swapped with the next to make one
    /// text of another (optimal string alignment).
    ///
    /// Of each, no more than 64 characters are looked at.
    static func distance(_ from: String, _ to: String) -> Int {
        let (from, to) = (Array(from.prefix(64)), Array(to.prefix(64)))
        var rows = [Array(0...to.count)]
        for row in from.indices {
            var next = [row + 1]
            for column in to.indices {
                let isSame = from[row] == to[column]
                var best = min(
                    rows[row][column] + (isSame ? 0 : 1),
                    rows[row][column + 1] + 1,
                    next[column] + 1
                )
                if row > 0, column > 0, from[row] == to[column - 1], from[row - 1] == to[column] {
                    best = min(best, rows[row - 1][column - 1] + 1)
                }
                next.append(best)
            }
            rows.append(next)
        }
        return rows[from.count][to.count]
    }
}
