import EchoSockets
import Glibc
import Synchronization

/// A connection to an echo server.
///
/// For any RFC 862 server over TCP, and over Unix sockets; over UDP there are no connections.
///
/// ```swift
/// let connection = try await EchoConnection.open(EchoEndpoint(parsing: "localhost:7"))
/// let roundTrip = try await connection.echo("hello".utf8)
/// print("the echo took \(roundTrip)")
/// ```
///
/// Any task may call it, at any time: sends are carried out one after another, and so are receives.
/// No call blocks a thread; one thread serves all connections of the process. The connection is
/// closed when the last reference to it is gone, if not before.
///
/// A send or an echo that breaks, is late or is cancelled closes the connection, and later calls
/// fail as well: nobody could tell any more which bytes are whose. A receive that is late or
/// cancelled does not.
public final class EchoConnection: Sendable {
    /// The bytes that ``receive(atMost:timeout:)`` may ask for.
    public static let receiveLimits = 1...65_536

    /// The server.
    public let endpoint: EchoEndpoint
    /// The numeric address of the server, such as `127.0.0.1:7`, or the path of its socket.
    public let address: String

    private static let opened = Atomic<UInt64>(0)

    private let thread: ConnectionThread
    private let number: UInt64

    private init(
        _ endpoint: EchoEndpoint,
        _ address: SocketAddress,
        _ thread: ConnectionThread,
        _ number: UInt64
    ) {
        self.endpoint = endpoint
        self.address = "\(address)"
        self.thread = thread
        self.number = number
    }

    deinit {
        close()
    }

    /// Connects to the first address of an endpoint that answers, with `TCP_NODELAY`.
    ///
    /// - Parameters:
    ///   - endpoint: the server.
    ///   - timeout: the time limit, more than zero, for looking the name up and connecting.
    /// - Returns: the connection.
    /// - Throws: ``Failure``: of the failures of all addresses, the one that says most about the
    ///   server.
    public static func open(
        _ endpoint: EchoEndpoint,
        timeout: Duration = .seconds(10)
    ) async throws(Failure) -> EchoConnection {
        if endpoint.isDatagram {
            let error = SystemError(call: "connect", errno: Errno(rawValue: EPROTONOSUPPORT))
            throw Failure(endpoint, .system(error))
        }
        let (value, deadline) = (endpoint.value, MonotonicTime.now + timeout)
        let number = opened.wrappingAdd(1, ordering: .relaxed).newValue
        let call = PendingCall<SocketAddress>()
        let thread: ConnectionThread
        do throws(SystemError) {
            thread = try .current()
            thread.perform { table in
                switch table {
                case .success(let table): table.begin(number, value, until: deadline, call)
                case .failure(let error): call.end(.failure(.system(error)))
                }
            }
            try resolve(value) { addresses in
                thread.perform { try? $0.get()[number]?.connect(addresses) }
            }
        } catch {
            throw Failure(endpoint, .system(error))
        }
        let close: @Sendable () -> Void = { thread.perform { try? $0.get().close(number) } }
        do throws(CallFailure) {
            let address = try await call.value(onCancel: close)
            return EchoConnection(endpoint, address, thread, number)
        } catch {
            close()
            throw Failure(endpoint, error)
        }
    }

    private static func resolve(
        _ endpoint: Endpoint,
        _ done: @escaping @Sendable (Result<[SocketAddress], Endpoint.ResolutionError>) -> Void
    ) throws(SystemError) {
        let resolve: @Sendable () -> Void = {
            do throws(Endpoint.ResolutionError) {
                done(.success(try endpoint.resolve()))
            } catch {
                done(.failure(error))
            }
        }
        if endpoint.needsLookUp { try LookUpThreads.run(resolve) } else { resolve() }
    }

    /// Sends bytes, and waits until they have come back.
    ///
    /// - Parameters:
    ///   - bytes: what is sent, of any number: what comes back is received meanwhile.
    ///   - timeout: the time limit, more than zero; `nil` for none.
    /// - Returns: the time from the call to the last byte of the echo.
    /// - Throws: ``Failure``, for example ``Failure/Code/wrong`` with the first byte that differs.
    @discardableResult
    public func echo(
        _ bytes: some Collection<UInt8>,
        timeout: Duration? = .seconds(10)
    ) async throws(Failure) -> Duration {
        let (bytes, begin) = (Array(bytes), MonotonicTime.now)
        if bytes.isEmpty { return .zero }
        return try await call { link, call in
            let expected = ReceiveCall(.echo(of: bytes, since: begin, call))
            link.receive(expected, within: timeout)
            link.send(SendCall(bytes, nil), within: nil)
        }
    }

    /// Sends bytes, and waits until the kernel has taken them.
    ///
    /// A server that is not read from stops reading at some point: receive meanwhile what comes
    /// back.
    ///
    /// - Parameters:
    ///   - bytes: what is sent.
    ///   - timeout: the time limit, more than zero; `nil` for none.
    /// - Throws: ``Failure``.
    public func send(
        _ bytes: some Collection<UInt8>,
        timeout: Duration? = .seconds(10)
    ) async throws(Failure) {
        let bytes = Array(bytes)
        if bytes.isEmpty { return }
        try await call { link, call in link.send(SendCall(bytes, call), within: timeout) }
    }

    /// Waits until something has come.
    ///
    /// If it is cancelled, or its time is over, nothing is lost: the next one receives what comes.
    ///
    /// - Parameters:
    ///   - limit: the most bytes to receive; one of ``receiveLimits``, or else the nearest of them.
    ///   - timeout: the time limit, more than zero; `nil` for none.
    /// - Returns: at least one byte; nothing once the server has ended the stream.
    /// - Throws: ``Failure``.
    public func receive(
        atMost limit: Int = receiveLimits.upperBound,
        timeout: Duration? = .seconds(10)
    ) async throws(Failure) -> [UInt8] {
        let limit = min(max(limit, Self.receiveLimits.lowerBound), Self.receiveLimits.upperBound)
        return try await call(harmless: true) { link, call in
            link.receive(ReceiveCall(.any(limit: limit, call)), within: timeout)
        }
    }

    /// Ends the stream to the server, after what is being sent; what comes back can be received.
    ///
    /// The corresponding C function is `shutdown` with `SHUT_WR`.
    public func endSending() {
        let number = number
        thread.perform { try? $0.get()[number]?.endSending() }
    }

    /// Closes the connection; calls that wait fail with ``Failure/Code/closed``.
    public func close() {
        let number = number
        thread.perform { try? $0.get().close(number) }
    }

    private func call<Value: Sendable>(
        harmless: Bool = false,
        _ begin: @escaping @Sendable (ConnectionLink, PendingCall<Value>) -> Void
    ) async throws(Failure) -> Value {
        let (number, thread) = (number, thread)
        let call = PendingCall<Value>()
        thread.perform { table in
            if let link = try? table.get()[number] {
                begin(link, call)
            } else {
                call.end(.failure(.closed("the connection is closed")))
            }
        }
        do throws(CallFailure) {
            return try await call.value {
                thread.perform { table in
                    guard let link = try? table.get()[number] else { return }
                    if harmless { link.forgetAbandoned() } else { link.cancel() }
                }
            }
        } catch {
            throw Failure(endpoint, error)
        }
    }
}
