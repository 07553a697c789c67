import ArgumentParser
import EchoServer

/// The flags of `serve` about sockets.
struct SocketOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Silence before a TCP peer is probed, or never; an unresponsive peer is dropped "
                + "after twice that time. (default: 2m)",
            valueName: "duration"
        ),
        completion: .list(["never"]),
        transform: Parse.either("never", or: Parse.keepalive)
    )
    var keepalive: Switchable<Duration>?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Kernel receive buffer per TCP connection, or auto. (default: 256KiB)",
            valueName: "size"
        ),
        completion: .list(["auto"]),
        transform: Parse.either("auto", or: Parse.size(4096...(1 << 30)))
    )
    var receiveBuffer: Switchable<Int>?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Permissions of Unix socket files, such as 660. (default: umask)",
            valueName: "octal"
        ),
        completion: .list(["umask"]),
        transform: Parse.either("umask", or: Parse.mode)
    )
    var socketMode: Switchable<UInt32>?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Group of Unix socket files. (default: none)",
            valueName: "group"
        ),
        completion: .list(["none"]),
        transform: Parse.either("none", or: Parse.group)
    )
    var socketGroup: Switchable<String>?

    /// Applies the flags to a configuration.
    func apply(to configuration: inout EchoServer.Configuration) {
        if let keepalive { configuration.keepalive = keepalive.value }
        if let receiveBuffer { configuration.socketReceiveBuffer = receiveBuffer.value }
        configuration.socketMode = socketMode?.value
        configuration.socketGroup = socketGroup?.value
    }
}

extension Parse {
    /// A span of time for which a peer may be silent.
    static func keepalive(_ text: String) throws -> Duration {
        let span = try duration(text)
        guard EchoServer.Configuration.keepaliveRange.contains(span) else {
            throw ValidationError("it must be a duration from 1s to 9h")
        }
        return span
    }

    /// The permissions of a file: an octal number.
    static func mode(_ text: String) throws -> UInt32 {
        guard text.utf8.allSatisfy({ (0x30...0x37).contains($0) }),
            let mode = UInt32(text, radix: 8), mode <= 0o777
        else { throw ValidationError("it must be an octal number from 0 to 777, such as 660") }
        return mode
    }

    /// The name of a group of users.
    ///
    /// ``Settings`` looks it up: a directory of users may not answer, and no signal is taken yet
    /// while the command line is parsed.
    static func group(_ text: String) throws -> String {
        guard !text.isEmpty else { throw ValidationError("there is no such group") }
        return text
    }
}
