import Glibc

/// Holds a thread up until another one lets it go on.
///
/// Needs no descriptor. The corresponding C type is `sem_t`.
@safe
final class Gate: @unchecked Sendable {
    private let semaphore: UnsafeMutablePointer<sem_t>

    /// A closed gate.
    init() {
        unsafe semaphore = .allocate(capacity: 1)
        unsafe semaphore.initialize(to: sem_t())
        unsafe sem_init(semaphore, 0, 0)
    }

    deinit {
        unsafe sem_destroy(semaphore)
        unsafe semaphore.deallocate()
    }

    /// Lets one waiting thread go on, or the next that waits.
    func open() {
        unsafe sem_post(semaphore)
    }

    /// Waits until it is opened.
    func wait() {
        while unsafe sem_wait(semaphore) != 0 {}
    }
}
