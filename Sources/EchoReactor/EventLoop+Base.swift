extension EventLoop {
    /// The libevent base (`struct event_base *`) of the loop, for other parts of libevent that run
    /// on one, such as its HTTP server.
    ///
    /// Valid as long as the loop; for the loop's thread only: it has no locks.
    package var basePointer: OpaquePointer { unsafe base.pointer }
}
