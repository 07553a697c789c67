import Glibc

/// Whether the tests, and with them the programs they start, run under a sanitizer, which keeps
/// memory of its own for each byte and each thread: then nothing can be said of how much is used.
package let isSanitized: Bool = (["__tsan_init", "__asan_init"] as [String]).contains { name in
    unsafe dlsym(nil, name) != nil
}

/// What to start a program through that is to end while its threads run: the thread sanitizer would
/// report those that nobody has waited for as leaked, and choose the exit code.
package let endingAbruptly: [String] = {
    guard unsafe dlsym(nil, "__tsan_init") != nil else { return [] }
    let options = unsafe getenv("TSAN_OPTIONS").map { unsafe String(cString: $0) + " " } ?? ""
    return ["/usr/bin/env", "TSAN_OPTIONS=\(options)report_thread_leaks=0"]
}()
