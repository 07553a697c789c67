import EchoTestSupport
import Foundation
import Testing

@testable import EchoClient
@testable import echo

/// Reports as JSON and CSV, read back.
struct BenchDocumentTests {
    private static func object(_ text: String) throws -> [String: Any] {
        let parsed = try JSONSerialization.jsonObject(with: Data(text.utf8))
        return try #require(parsed as? [String: Any])
    }

    /// The error of reading a text as a baseline.
    private static func fault(_ text: String) throws -> String {
        let error = try #require(throws: CommandError.self) {
            _ = try BenchDocument.report(from: Array(text.utf8), named: "old.json")
        }
        #expect(error.exitCode == 64)
        #expect(!error.message.contains("\n"))
        return error.message
    }

    @Test func `what is written is read back`() throws {
        var report = BenchFixture.report(["<a & \"b\">", "c/d\n\u{0}é"])
        report.results[0].failure = "broken \\ pipe"
        report.results[1].rounds[0].server = nil
        let text = try BenchDocument.json(report, baseline: report)
        #expect(try BenchDocument.report(from: Array(text.utf8), named: "x") == report)
        #expect(try BenchDocument.json(report, baseline: report) == text)
    }

    @Test func `the object has the figures that are computed`() throws {
        let report = BenchFixture.report(["a", "b"], loads: BenchFixture.sweep([1, 100]))
        let object = try Self.object(try BenchDocument.json(report))
        #expect(object["schema"] as? Int == 1)
        #expect(object["comparison"] == nil)
        let summary = try #require(object["summary"] as? [[String: Any]])
        #expect(summary.map { $0["subject"] as? String } == ["a", "b", "a", "b"])
        let figures = try #require(summary[3]["figures"] as? [String: [String: Double]])
        let rate = try #require(report.estimate(.rate, of: report.results[3]))
        #expect(figures["rate"]?["median"] == rate.median)
        #expect(figures["rate"]?["low"] == rate.low)
        #expect(figures["missed"] == nil)
        let ratios = try #require(summary[3]["ratios"] as? [String: [String: Any]])
        #expect(ratios["rate"]?["verdict"] as? String == "same")
        #expect((summary[0]["ratios"] as? [String: Any])?.isEmpty == true)
        let compared = try Self.object(try BenchDocument.json(report, baseline: report))
        let comparison = try #require(compared["comparison"] as? [String: Any])
        #expect((comparison["changes"] as? [Any])?.isEmpty == false)
        #expect(comparison["started"] as? String == report.started)
    }

    @Test func `keys that it does not know are ignored`() throws {
        let report = BenchFixture.report(["a"], loads: BenchFixture.sweep([1]))
        var object = try Self.object(try BenchDocument.json(report))
        object["future"] = ["x": [1, 2]]
        object.removeValue(forKey: "summary")
        let bytes = Array(try JSONSerialization.data(withJSONObject: object))
        #expect(try BenchDocument.report(from: bytes, named: "x") == report)
    }

    @Test func `a file that is no report is refused in one line`() throws {
        let head = "cannot read the baseline old.json: "
        #expect(try Self.fault("") == head + "it is not JSON")
        #expect(try Self.fault("{\"schema\":1") == head + "it is not JSON")
        #expect(try Self.fault("echoes,bytes\n1,2") == head + "it is not JSON")
        #expect(try Self.fault("[1]") == head + "it is not a report of bench: no JSON object")
        #expect(try Self.fault("{}") == head + "it is not a report of bench: it has no \"schema\"")
        #expect(
            try Self.fault("{\"schema\":2}") == head
                + "its schema is version 2, but only 1 can be read"
        )
        #expect(try Self.fault("{\"schema\":1}").hasPrefix(head + "it is not a report of bench: "))
        #expect(try Self.fault("{\"schema\":1}").hasSuffix(" is missing"))
        #expect(
            try Self.fault("{\"schema\":\"1\"}") == head
                + "it is not a report of bench: schema has another type"
        )
    }

    @Test func `a broken report is refused where it is broken`() throws {
        let report = BenchFixture.report(["a"], loads: BenchFixture.sweep([1]), rounds: 1)
        let text = try BenchDocument.json(report)
        let wrongType = text.replacing(/"echoes" : [0-9]+/, with: "\"echoes\" : \"many\"")
        #expect(try Self.fault(wrongType).hasSuffix("results[0].rounds[0].echoes has another type"))
        var outside = report
        outside.results[0].subject = 5
        let lost = try BenchDocument.json(outside)
        #expect(
            try Self.fault(lost).hasSuffix("refers to a server or a load that it does not list")
        )
    }

    @Test func `a figure that JSON cannot hold is named`() throws {
        var report = BenchFixture.report(["a"], loads: BenchFixture.sweep([1]), rounds: 1)
        report.results[0].rounds[0].seconds = .nan
        let error = try #require(throws: CommandError.self) {
            _ = try BenchDocument.json(report)
        }
        #expect(
            error.message == "cannot write the report as JSON: results[0].rounds[0].seconds is nan"
        )
    }

    /// The fields of RFC 4180.
    private static func records(_ text: String) -> [[String]] {
        var records: [[String]] = []
        var record: [String] = []
        var rest = Array(text.unicodeScalars)[...]
        while !rest.isEmpty {
            var field = String.UnicodeScalarView()
            if rest.first == "\"" {
                rest = rest.dropFirst()
                while let scalar = rest.popFirst() {
                    if scalar == "\"" {
                        guard rest.first == "\"" else { break }
                        rest = rest.dropFirst()
                    }
                    field.append(scalar)
                }
            } else {
                while let scalar = rest.first, scalar != ",", scalar != "\r" {
                    field.append(scalar)
                    rest = rest.dropFirst()
                }
            }
            record.append(String(field))
            if rest.first == "\r" {
                records.append(record)
                record = []
                rest = rest.dropFirst(2)
            } else {
                rest = rest.dropFirst()
            }
        }
        return records
    }

    @Test func `CSV has a row for each server, load and round`() throws {
        let names = ["plain", "a,b", "say \"hi\"", "line\r\nend", "é"]
        var report = BenchFixture.report(names, loads: BenchFixture.sweep([1, 100]), rounds: 3)
        report.results[9].rounds = []
        report.results[9].failure = "refused, again"
        let records = Self.records(BenchCSV.text(report))
        #expect(records.count == 1 + 9 * 3 + 1)
        let header = try #require(records.first)
        #expect(header == BenchCSV.header && Set(header).count == header.count)
        #expect(records.allSatisfy { $0.count == header.count })
        let rows = records.dropFirst().map { Dictionary(zip(header, $0)) { first, _ in first } }
        #expect(Set(rows.compactMap { $0["subject"] }) == Set(names))
        #expect(rows[0]["round"] == "1" && rows[2]["round"] == "3")
        let round = report.results[0].rounds[0]
        #expect(rows[0]["echoes"] == "\(round.echoes)")
        #expect(rows[0]["p999_ns"] == "" && rows[0]["missed_sends"] == "")
        #expect(rows[0]["p99_ns"] == round.p99.map { "\($0)" })
        #expect(rows[0]["echoes_per_second"].flatMap(Double.init) == Double(round.echoes) / 2)
        #expect(rows[0]["threads"] == "2")
        let last = try #require(rows.last)
        #expect(last["failure"] == "refused, again" && last["round"] == "" && last["echoes"] == "")
    }
}
