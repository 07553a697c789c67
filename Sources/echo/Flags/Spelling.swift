/// Finds what a mistyped word was meant to be.
enum Spelling {
    /// The name with the most similar spelling.
    ///
    /// - Parameters:
    ///   - word: what was typed.
    ///   - names: the possible names.
    /// - Returns: one of the names; `nil` if none is similar, or one is the word itself.
    static func nearest(to word: String, in names: [String]) -> String? {
        let lowercased = word.lowercased()
        if let name = names.first(where: { $0 == lowercased }), name != word { return name }
        let near = names.map { ($0, distance(word, $0)) }.min { $0.1 < $1.1 }
        guard let (name, distance) = near, (1...2).contains(distance), distance < name.count - 1
        else { return nil }
        return name
    }

    /// How many characters have to be inserted, deleted, replaced or swapped with the next to turn
    /// one text into the other (optimal string alignment).
    ///
    /// Only the first 64 characters of each are compared.
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
