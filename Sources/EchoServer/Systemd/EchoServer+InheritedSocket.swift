import EchoSockets
import Glibc

extension EchoServer {
    /// A listening socket that somebody else opened, usually a service manager (socket activation,
    /// sd_listen_fds(3)).
    ///
    /// It is served as it is: address, backlog and options stay as they were set, only that it is
    /// made close-on-exec and non-blocking, and options are set for the connections that come from
    /// it: those of ``Configuration/keepalive`` and ``Configuration/socketReceiveBuffer``,
    /// `TCP_NODELAY`, `TCP_NOTSENT_LOWAT` and `SO_OOBINLINE`. The connections that are queued when
    /// the server shuts down are left to whoever has the socket next, and the file of a Unix socket
    /// is left alone.
    ///
    /// Owns its descriptor until a server with ``Configuration/inherited`` has started, which owns
    /// it then; several copies of a configuration share the socket, and one server serves it. Any
    /// thread.
    public final class InheritedSocket: Sendable {
        /// What the service manager calls it (`FileDescriptorName=`); `unknown` if it does not say.
        public let name: String
        /// Where it is bound.
        public let endpoint: Endpoint
        private let descriptor: Locked<Descriptor?>

        /// Takes ownership of a descriptor, and makes it close-on-exec.
        ///
        /// - Parameters:
        ///   - number: a TCP or Unix stream socket that listens.
        ///   - name: what log lines call it.
        /// - Throws: ``Failure`` with code ``Failure/Code/unusableSocket`` that says what it is
        ///   instead; it is left to the caller then.
        public init(
            descriptor number: Int32,
            name: String = "unknown"
        ) throws(Failure) {
            do throws(ListeningDescriptor.Objection) {
                endpoint = Endpoint(try ListeningDescriptor(checking: number).address)
            } catch {
                throw Failure(
                    .unusableSocket,
                    "cannot serve inherited descriptor \(number) (\(name.escapedForLog)): it \(error)"
                )
            }
            self.name = name
            descriptor = Locked(Descriptor(adopting: number))
            try? descriptor.withLock { try $0?.setCloseOnExec() }
        }

        /// A listener on the same socket; ``handOver()`` completes the change of owner.
        func makeListener(_ options: ConnectionOptions) throws(Failure) -> Listener {
            do throws(SystemError) {
                let copy = try descriptor.withLock { descriptor throws(SystemError) -> CInt? in
                    switch descriptor {
                    case .some(let open): return try open.duplicate().release()
                    case .none: return nil
                    }
                }
                if let copy {
                    return try Listener(adopting: Descriptor(adopting: copy), options: options)
                }
            } catch {
                throw Failure(
                    .unusableSocket,
                    "cannot serve \(self): \(error.errno)",
                    errno: error.errno
                )
            }
            throw Failure(.unusableSocket, "\(self) is served by another server")
        }

        /// Closes the original: a server serves its copy.
        func handOver() {
            descriptor.withLock { $0 = nil }
        }
    }
}

extension EchoServer.InheritedSocket: CustomStringConvertible {
    /// For example `inherited socket echo on 127.0.0.1:7`.
    public var description: String {
        "inherited socket \(name.escapedForLog) on \(endpoint.description.escapedForLog)"
    }
}
