import EchoClient
import EchoSockets

/// For CI systems: the XML that JUnit's reporters write and all of them read.
extension CheckRecord {
    /// The document: one suite, with a case for each check.
    ///
    /// A run that did not come to its end has one more case, which is an error.
    ///
    /// - Parameter name: what the checks are called together.
    /// - Returns: the text of the document.
    func junit(as name: String) -> String {
        let counts = CheckCounts(results)
        let time = CheckTable.seconds(results.map(\.duration).reduce(.zero, +))
        let errors = failure == nil ? 0 : 1
        let numbers = """
            tests="\(results.count + errors)" failures="\(counts.failed)" errors="\(errors)" \
            skipped="\(counts.notApplicable)" time="\(time)"
            """
        let cases =
            results.map { testCase($0, of: name) } + (failure.map { [unfinished($0, name)] } ?? [])
        return """
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites name="\(name.escapedForXML)" \(numbers)>
              <testsuite name="\("\(name) \(check.endpoint)".escapedForXML)" \(numbers)>
                <properties>
            \(properties)
                </properties>
            \(cases.joined(separator: "\n"))
              </testsuite>
            </testsuites>

            """
    }

    private var properties: String {
        let values = [
            ("endpoint", "\(check.endpoint)"), ("address", address.map { "\($0)" } ?? ""),
            ("run", "\(check.runNumber)"), ("size", "\(check.size)"),
            ("connections", "\(check.connections)"),
            ("deadline-seconds", CheckTable.seconds(check.deadline)),
            ("pause-seconds", CheckTable.seconds(check.pause)),
        ]
        return values.map { name, value in
            #"      <property name="\#(name)" value="\#(value.escapedForXML)"/>"#
        }.joined(separator: "\n")
    }

    private func testCase(_ result: EchoCheck.Result, of name: String) -> String {
        let evidence = result.evidence.escapedForXML
        let content =
            switch result.outcome {
            case .passed: "<system-out>\(evidence)</system-out>"
            case .notApplicable: #"<skipped message="\#(evidence)"/>"#
            case .failed:
                #"<failure type="\#(result.fault?.rawValue ?? "")" message="\#(evidence)">"#
                    + "\(result.check.meaning.escapedForXML)</failure>"
            }
        let time = CheckTable.seconds(result.duration)
        return element(result.check.rawValue, of: name, time: time, content)
    }

    private func unfinished(_ failure: Failure, _ name: String) -> String {
        let message = failure.message.escapedForXML
        let error = #"<error type="\#(failure.kind.rawValue)" message="\#(message)"/>"#
        return element(address == nil ? "connect" : "run", of: name, time: "0.000", error)
    }

    private func element(
        _ check: String,
        of name: String,
        time: String,
        _ content: String
    ) -> String {
        """
            <testcase classname="\(name.escapedForXML)" name="\(check)" time="\(time)">
              \(content)
            </testcase>
        """
    }
}

extension String {
    /// As the content of an XML 1.0 element or attribute, section 2.4; characters that XML does not
    /// have, or that would mislead a reader, are shown escaped.
    var escapedForXML: String {
        escapedForLog.reduce(into: "") { text, character in
            switch character {
            case "&": text += "&amp;"
            case "<": text += "&lt;"
            case ">": text += "&gt;"
            case "\"": text += "&quot;"
            case "'": text += "&apos;"
            default: text.append(character)
            }
        }
    }
}
