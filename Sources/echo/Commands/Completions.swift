import ArgumentParser

/// The command for shell completion: with the flags of `serve` even where `serve` is omitted, as it
/// usually is.
///
/// The argument parser's generator supports default subcommands, but not their flags without their
/// names.
struct Completions: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: ProgramName.current,
        version: Echo.configuration.version,
        subcommands: Echo.configuration.subcommands
    )

    @OptionGroup var options: ServeOptions
    @OptionGroup var logging: LogOptions
    @OptionGroup var monitoring: MetricsOptions
    @OptionGroup var settings: ConfigurationOptions

    /// The script for a shell.
    ///
    /// - Parameter request: what parsing `--generate-completion-script` ended with.
    /// - Returns: the script.
    static func script(for request: any Error) -> String {
        let script = fullMessage(for: request)
        if script.hasPrefix("#!/bin/bash") { return withWholeWordsInBash(script) }
        if script.hasPrefix("#compdef") { return withJoinedValuesInZsh(script) }
        return script
    }

    // Readline breaks words at colons and equals signs: 127.0.0.1:7 and --model=select are three
    // words each. The generated function expects one and two.
    private static func withWholeWordsInBash(_ script: String) -> String {
        let name = configuration.commandName ?? ""
        return withValuesOfSubcommandsInBash(script).replacing(
            "complete -o filenames -F _\(name) \(name)",
            with: """
                _\(name)_with_whole_words() {
                    local line="${COMP_LINE:0:COMP_POINT}" cur="${2#=}" word
                    local -a words=() COMP_WORDS=()
                    read -ra words <<<"${line}"
                    [[ "${line}" != *[[:space:]] ]] || words+=('')
                    for word in "${words[@]}"; do
                        if [[ "${word}" = --*=* ]]; then
                            COMP_WORDS+=("${word%%=*}" "${word#*=}")
                        else
                            COMP_WORDS+=("${word}")
                        fi
                    done
                    local -i COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
                    _\(name) "${1}" "${cur}" "${COMP_WORDS[COMP_CWORD - 1]}"
                }

                complete -o filenames -F _\(name)_with_whole_words \(name)
                """
        )
    }

    // A flag of a subcommand may have the name of one of `serve`, but other values.
    private static func withValuesOfSubcommandsInBash(_ script: String) -> String {
        let names = Subcommand.allCases.map(\.rawValue).joined(separator: "|")
        return script.replacing(
            #"    case "${prev}" in"#,
            with: """
                    local option="${prev}"
                    case "${COMP_WORDS[1]}" in
                    \(names)) option='' ;;
                    esac
                    case "${option}" in
                """,
            maxReplacements: 1
        )
    }

    // In a specification, `--model=` stands for both forms.
    private static func withJoinedValuesInZsh(_ script: String) -> String {
        script.replacing(/(?m)^( +'\*?--[a-z-]+)(\[.*\]:[^:\n]+:)/) { "\($0.1)=\($0.2)" }
    }

    /// Whether a completion script was requested.
    static var isRequested: Bool {
        ProcessArguments.all.contains { $0.hasPrefix("--generate-completion-script") }
    }
}
