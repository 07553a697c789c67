import EchoClient
import EchoSockets
import FoundationEssentials

/// A report as JSON.
enum BenchDocument {
    /// The report, with what is computed from it, as one JSON object.
    ///
    /// The keys are sorted. What is computed (`summary`, `changes`) is for the reader's
    /// convenience; ``report(from:named:)`` does without.
    static func json(
        _ report: EchoBench.Report,
        baseline: EchoBench.Report? = nil
    ) throws(CommandError) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        do {
            let data = try encoder.encode(BenchContent(report: report, baseline: baseline))
            return String(decoding: data, as: UTF8.self) + "\n"
        } catch {
            throw CommandError(
                exitCode: Exit.system,
                message: "cannot write the report as JSON: \(reason(error))"
            )
        }
    }

    /// Reads what ``json(_:baseline:)`` wrote, and ignores keys that it does not know.
    ///
    /// - Parameters:
    ///   - bytes: the file's.
    ///   - name: the file's, for error messages.
    /// - Returns: the report.
    /// - Throws: a line that says what is wrong with the file.
    static func report(
        from bytes: [UInt8],
        named name: String
    ) throws(CommandError) -> EchoBench.Report {
        let data = Data(bytes)
        let schema = try part(Schema.self, of: data, named: name).schema
        guard let schema else {
            throw failure(name, "it is not a report of bench: it has no \"schema\"")
        }
        guard schema == EchoBench.Report.currentSchema else {
            let known = EchoBench.Report.currentSchema
            throw failure(name, "its schema is version \(schema), but only \(known) can be read")
        }
        let report = try part(EchoBench.Report.self, of: data, named: name)
        let isSound = report.results.allSatisfy { result in
            report.subjects.indices.contains(result.subject)
                && report.plan.loads.indices.contains(result.load)
        }
        guard isSound else {
            throw failure(name, "a result refers to a server or a load that it does not list")
        }
        return report
    }

    private struct Schema: Decodable {
        let schema: Int?
    }

    private static func part<Part: Decodable>(
        _: Part.Type,
        of data: Data,
        named name: String
    ) throws(CommandError) -> Part {
        do {
            return try JSONDecoder().decode(Part.self, from: data)
        } catch {
            switch error as? DecodingError {
            case .dataCorrupted(let context) where context.codingPath.isEmpty:
                throw failure(name, "it is not JSON")
            case .typeMismatch(_, let context) where context.codingPath.isEmpty:
                throw failure(name, "it is not a report of bench: no JSON object")
            default: throw failure(name, "it is not a report of bench: \(reason(error))")
            }
        }
    }

    private static func failure(_ name: String, _ text: String) -> CommandError {
        CommandError(
            exitCode: Exit.usage,
            message: "cannot read the baseline \(name): \(text)".escapedForLog
        )
    }

    // What is wrong, and where.
    private static func reason(_ error: any Error) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, let context):
            "\(path(context.codingPath + [key])) is missing"
        case DecodingError.valueNotFound(_, let context): "\(path(context.codingPath)) is null"
        case DecodingError.typeMismatch(_, let context):
            "\(path(context.codingPath)) has another type"
        case DecodingError.dataCorrupted(let context): "\(path(context.codingPath)) has a bad value"
        case EncodingError.invalidValue(let value, let context):
            "\(path(context.codingPath)) is \(value)"
        default: "\(error)"
        }
    }

    private static func path(_ keys: [any CodingKey]) -> String {
        keys.reduce("") { path, key in
            key.intValue.map { "\(path)[\($0)]" }
                ?? (path.isEmpty ? key.stringValue : "\(path).\(key.stringValue)")
        }
    }
}
