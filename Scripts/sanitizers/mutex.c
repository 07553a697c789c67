// Tells ThreadSanitizer about contended locks.
//
// The part of Synchronization.Mutex that is inlined is seen by the sanitizer: taking a free lock, and
// giving one back that nobody waits for. What happens under contention is in the toolchain's
// libswiftSynchronization, which is not instrumented, so that every access under a contended lock
// is reported as a race. These functions stand in front of the library's and say what they do.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context))
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

// Weak, because programs that are linked without the sanitizer are given this file as well.
extern void __tsan_acquire(void *) __attribute__((weak));
extern void __tsan_release(void *) __attribute__((weak));

SWIFT void lock_slow(uint32_t self_id, SELF void *handle) __asm__(LOCK);
SWIFT void unlock_slow(SELF void *handle) __asm__(UNLOCK);

SWIFT void lock_slow(uint32_t self_id, SELF void *handle) {
    typedef SWIFT void (*function)(uint32_t, SELF void *);
    ((function)dlsym(RTLD_NEXT, LOCK))(self_id, handle);
    if (__tsan_acquire) __tsan_acquire(handle);
}

SWIFT void unlock_slow(SELF void *handle) {
    typedef SWIFT void (*function)(SELF void *);
    if (__tsan_release) __tsan_release(handle);
    ((function)dlsym(RTLD_NEXT, UNLOCK))(handle);
}
