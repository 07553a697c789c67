import Glibc

extension Socket {
    /// Binds it to an address.
    ///
    /// The corresponding C function is `bind`.
    func bind(to address: SocketAddress) throws(SystemError) {
        let result = unsafe address.withSockaddr { pointer, length in
            transferCall { unsafe Int(Glibc.bind(number, pointer, length)) }
        }
        if result < 0 { throw SystemError(call: "bind", errno: Errno(rawValue: CInt(-result))) }
    }

    /// Makes the kernel queue connections to it.
    ///
    /// The corresponding C function is `listen`.
    func listen(_ backlog: CInt) throws(SystemError) {
        try systemCall("listen") { Glibc.listen(number, backlog) }
    }
}
