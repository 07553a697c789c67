import EchoClient
import EchoServer
import EchoTestSupport
import Testing

@testable import echo

/// What shells offer for `echo-server`, asked of the shells themselves, with the scripts where
/// `Scripts/install` puts them.
@Suite(.timeLimit(.minutes(10)))
struct CompletionTests {
    enum Shell: String, CaseIterable, Sendable { case bash, zsh, fish }

    struct Case: Sendable, CustomTestStringConvertible {
        let line: String
        let offers: [String]
        var testDescription: String { line }

        init(_ line: String, _ offers: [String]) {
            (self.line, self.offers) = (line, offers)
        }
    }

    private static let models = EchoServer.IOModel.allCases.map(\.rawValue)
    private static let checks = EchoCheck.Check.allCases.map(\.rawValue)

    static let cases = [
        Case("cl", ["client"]),
        Case("--mod", ["--model"]),
        Case("--model ", models),
        Case("--model sel", ["select"]),
        Case("--model select --ba", ["--backend", "--backlog"]),
        Case("--model select --idle-timeout 5s --log-format ", ["text", "json"]),
        Case("--idle-timeout ", ["never"]),
        Case("--model=sel", ["select"]),
        Case("--workers 2 --model=", models),
        Case("--model=select --ba", ["--backend", "--backlog"]),
        Case("--listen 127.0.0.1:7 --mod", ["--model"]),
        Case("--listen unix:/run/x --listen=[::1]:7 --log-format ", ["text", "json"]),
        Case("check --only=ha", ["half-close"]),
        Case("check --only=empty --js", ["--json"]),
        Case("--config /etc/pass", ["/etc/passwd", "/etc/passwd-"]),
        Case("serve --model ", models),
        Case("serve --log-f", ["--log-format"]),
        Case("check --only ", checks),
        Case("check --only empty --skip ha", ["half-close"]),
        Case("client --connect-t", ["--connect-timeout"]),
        Case("ping --new", ["--new-connection"]),
        Case("ping 127.0.0.1:7 --inter", ["--interval"]),
        Case("client --verif", ["--verify"]),
        Case("client --no-v", ["--no-verify"]),
        Case("check --gent", ["--gentle"]),
        Case("check --gentle --junit /etc/pass", ["/etc/passwd", "/etc/passwd-"]),
        Case("bench --fail", ["--fail-if"]),
        Case("bench --model al", ["all"]),
    ]

    @Test(arguments: Shell.allCases)
    func `a shell offers flags, models, checks, files and subcommands`(_ shell: Shell) async throws
    {
        let offered = try await Self.ask(shell, Self.cases.map(\.line))
        for (test, offers) in zip(Self.cases, offered) {
            // zsh names a file without its folder; and not every machine has a copy of the file.
            // fish offers the flag with the value.
            let found = offers.map { $0.replacing(/^(\/etc\/|--[a-z]+=)/, with: "") }
                .map { $0.replacing(/^(passwd)-$/, with: { "\($0.1)" }) }
            let expected = test.offers.map { $0.replacing("/etc/", with: "") }
                .map { $0.replacing(/^(passwd)-$/, with: { "\($0.1)" }) }
            #expect(Set(found) == Set(expected), "\(shell) \(test.line)")
        }
    }

    @Test(arguments: Shell.allCases)
    func `every flag of serve is offered with and without serve`(_ shell: Shell) async throws {
        let flags = Setting.all.map { "--" + $0.key } + ["--config", "--check-config"]
        for offered in try await Self.ask(shell, ["--", "serve --"]) {
            #expect(Set(offered).isSuperset(of: flags), "\(offered)")
        }
    }

    @Test(arguments: Shell.allCases)
    func `every subcommand is offered`(_ shell: Shell) async throws {
        let offered = try await Self.ask(shell, [""])
        #expect(Set(offered[0]).isSuperset(of: Subcommand.allCases.map(\.rawValue)), "\(offered)")
    }

    /// What a shell offers for the last word of each line.
    private static func ask(_ shell: Shell, _ lines: [String]) async throws -> [[String]] {
        let script =
            switch shell {
            case .bash: bash
            case .zsh: zsh
            case .fish: fish
            }
        let process = try RunningProcess(
            "/bin/bash",
            ["-c", setUp + script, "bash"] + lines,
            environment: ["ECHO": try BuiltProduct.path(named: "echo"), "TERM": "dumb"]
        )
        let result = try await process.result(within: .seconds(240))
        #expect(result.exit == .code(0), "\(result.errors)")
        let offers = String(decoding: result.output, as: UTF8.self).split(separator: "\n")
            .compactMap { line -> (Int, String)? in
                let parts = line.split(separator: "\t", maxSplits: 1)
                return parts.count == 2 ? Int(parts[0]).map { ($0, String(parts[1])) } : nil
            }
        return lines.indices.map { index in offers.filter { $0.0 == index }.map(\.1) }
    }

    // Installs for a prefix of its own.
    private static let setUp = """
        set -eu
        folder=$(mktemp -d)
        trap 'rm -rf "$folder"' EXIT
        mkdir -p "$folder"/{bin,zsh,share/{bash-completion/completions,fish/vendor_completions.d}}
        ln -s "$ECHO" "$folder/bin/echo-server"
        export PATH="$folder/bin:$PATH" XDG_DATA_DIRS="$folder/share:/usr/share" HOME="$folder"
        export FOLDER="$folder"
        echo-server --generate-completion-script bash | sed '1{/^#!/d}' \\
            >"$folder/share/bash-completion/completions/echo-server"
        echo-server --generate-completion-script zsh >"$folder/zsh/_echo-server"
        echo-server --generate-completion-script fish \\
            >"$folder/share/fish/vendor_completions.d/echo-server.fish"

        """

    // Calls the function that bash-completion finds, as readline does.
    private static let bash = #"""
        set +eu
        source /usr/share/bash-completion/bash_completion
        _completion_loader echo-server
        call=$(complete -p echo-server | sed 's/.*-F \([^ ]*\).*/\1/')
        number=0
        for line in "$@"; do
            # As readline does: a colon and an equals sign are words.
            words=${line//=/ = }
            read -ra COMP_WORDS <<<"echo-server ${words//:/ : }"
            [[ -n $line && $line != *' ' ]] || COMP_WORDS+=('')
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            COMP_LINE="echo-server $line" COMP_TYPE=9 COMP_KEY=9 COMPREPLY=()
            COMP_POINT=${#COMP_LINE}
            "$call" echo-server "${COMP_WORDS[COMP_CWORD]#=}" "${COMP_WORDS[COMP_CWORD - 1]}"
            printf "$number\t%s\n" "${COMPREPLY[@]}"
            number=$((number + 1))
        done
        exit 0
        """#

    private static let fish = #"""
        number=0
        for line in "$@"; do
            LINE="$line" fish --private -c 'complete -C "echo-server $LINE"' | cut -f1 |
                sed "s/^/$number\t/"
            number=$((number + 1))
        done
        """#

    // A shell at a terminal, in which the tabulator is typed; what is added as a match is noted. ^G
    // is nothing to the terminal, which takes ^U for itself while the shell is not editing.
    private static let zsh = #"""
        cat >"$folder/ask" <<'END'
        zmodload zsh/zpty
        zpty shell zsh -f -i
        zpty -w shell 'PROMPT= fpath=($FOLDER/zsh $fpath); autoload -Uz compinit; compinit -u -D'
        zpty -w shell "bindkey '^I' complete-word '^G' kill-whole-line; LISTMAX=10000"
        zpty -w shell 'compadd() {
            local -a noted
            if [[ -z ${@[(r)-O]-}${@[(r)-A]-}${@[(r)-D]-} ]]; then
                builtin compadd -A noted "$@"
                print -rl -- ${noted/#/$(<$FOLDER/number)$(print "\t")} >>$FOLDER/offered
            fi
            builtin compadd "$@"
        }'
        number=0
        for line in "$@"; do
            print $number >$FOLDER/number
            zpty -w shell "print READY$number"
            zpty -r -m shell seen "*READY$number*READY$number*"
            zpty -n -w shell "echo-server $line"$'\t'$'\C-g'
            zpty -w shell "print DONE$number"
            zpty -r -m shell seen "*DONE$number*DONE$number*"
            number=$((number + 1))
        done
        END
        touch "$folder/offered"
        zsh -f "$folder/ask" "$@" >/dev/null
        cat "$folder/offered"
        """#
}
