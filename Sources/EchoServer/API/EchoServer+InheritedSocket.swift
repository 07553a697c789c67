import EchoSockets
import Glibc

extension EchoServer {
    /// A listening socket, or a UDP socket, opened elsewhere, usually by a service manager (socket
    /// activation, sd_listen_fds(3)).
    ///
    /// It is served as it is: its address, backlog and options stay, except that it becomes
    /// close-on-exec and non-blocking, and receives options for its connections: those of
    /// ``Configuration/keepalive`` and ``Configuration/socketReceiveBuffer``, `TCP_NODELAY`,
    /// `TCP_NOTSENT_LOWAT` and `SO_OOBINLINE`. Connections still queued when the server shuts down
    /// are left to the next owner of the socket, and so are datagrams; the file of a Unix socket is
    /// left alone.
    ///
    /// Owns its descriptor until a server with it in ``Configuration/inherited`` has started and
    /// takes ownership; copies of a configuration share the socket, and only one server can serve
    /// it. Any thread.
    public final class InheritedSocket: Sendable {
        /// The service manager's name for it (`FileDescriptorName=`); `unknown` without one.
        public let name: String
        /// Where it is bound.
        public let endpoint: Endpoint
        /// Whether datagrams come to it.
        let isDatagram: Bool
        private let descriptor: Locked<Descriptor?>

        /// Takes ownership of a descriptor, and makes it close-on-exec.
        ///
        /// - Parameters:
        ///   - number: a listening TCP or Unix stream socket, or a bound UDP socket.
        ///   - name: its name in log lines.
        /// - Throws: ``Failure`` with code ``Failure/Code/unusableSocket`` that says what it is
        ///   instead; the caller then still owns it.
        public init(
            descriptor number: Int32,
            name: String = "unknown"
        ) throws(Failure) {
            do throws(ListeningDescriptor.Objection) {
                let checked = try ListeningDescriptor(checking: number)
                isDatagram = checked.isDatagram
                endpoint = Endpoint(checked.address, isDatagram: isDatagram)
            } catch {
                throw Failure(
                    .unusableSocket,
                    "cannot serve inherited descriptor \(number) "
                        + "(\(name.escapedForLog)): it \(error)"
                )
            }
            self.name = name
            descriptor = Locked(Descriptor(adopting: number))
            try? descriptor.withLock { try $0?.setCloseOnExec() }
        }

        /// A listener on the same socket; ``handOver()`` completes the change of owner.
        func makeListener(_ options: ConnectionOptions) throws(Failure) -> Listener {
            let copy = try makeCopy()
            do throws(SystemError) {
                return try Listener(adopting: copy, options: options)
            } catch { throw unusable(error) }
        }

        /// The same of a UDP socket.
        func makeDatagramSocket() throws(Failure) -> DatagramSocket {
            let copy = try makeCopy()
            do throws(SystemError) {
                return try DatagramSocket(adopting: copy)
            } catch { throw unusable(error) }
        }

        private func makeCopy() throws(Failure) -> Descriptor {
            let copy: CInt?
            do throws(SystemError) {
                copy = try descriptor.withLock { descriptor throws(SystemError) -> CInt? in
                    switch descriptor {
                    case .some(let open): return try open.duplicate().release()
                    case .none: return nil
                    }
                }
            } catch { throw unusable(error) }
            guard let copy else {
                throw Failure(.unusableSocket, "\(self) is served by another server")
            }
            return Descriptor(adopting: copy)
        }

        private func unusable(_ error: SystemError) -> Failure {
            Failure(.unusableSocket, "cannot serve \(self): \(error.errno)", errno: error.errno)
        }

        /// Closes the original: a server serves a duplicate.
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
