import Glibc

/// Which port the calling thread is a worker of.
enum PortMembership {
    private static let slot: pthread_key_t = {
        var key = pthread_key_t()
        unsafe pthread_key_create(&key, nil)
        return key
    }()

    static func join(_ port: AnyObject) {
        unsafe pthread_setspecific(slot, Unmanaged.passUnretained(port).toOpaque())
    }

    static func leave() {
        pthread_setspecific(slot, nil)
    }

    static func belongs(to port: AnyObject) -> Bool {
        unsafe pthread_getspecific(slot) == Unmanaged.passUnretained(port).toOpaque()
    }
}
