import Glibc

/// Whether the tests, and with them the programs they start, run under a sanitizer, which keeps
/// memory of its own for each byte and each thread: then nothing can be said of how much is used.
package let isSanitized: Bool = (["__tsan_init", "__asan_init"] as [String]).contains { name in
    unsafe dlsym(nil, name) != nil
}
