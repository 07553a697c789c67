// What Linux has and the Swift toolchain's Glibc module leaves out.
#ifndef CLINUX_SHIM_H
#define CLINUX_SHIM_H

// Before all headers: what Glibc has is Glibc's. Otherwise it would be of whichever of the two modules
// the compiler loads first, which depends on the order of the files, and members of struct timespec
// for example would be missing in files that import only the other.
#pragma clang module import SwiftGlibc

#include <malloc.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/sockios.h>

// Declared by glibc only under _GNU_SOURCE, which must not be defined here: see CLibevent/shim.h.
int accept4(int socket, struct sockaddr *address, socklen_t *length, int flags);
int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);
int pipe2(int descriptors[2], int flags);
int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *until);
ssize_t splice(int from, off_t *from_at, int to, off_t *to_at, size_t count, unsigned flags);
int setns(int descriptor, int type);
int unshare(int flags);
long syscall(long number, ...);
int pthread_setname_np(pthread_t thread, const char *name);
int __libc_current_sigrtmin(void);
int __libc_current_sigrtmax(void);

// Of splice(2) and fcntl(2), likewise hidden.
static const unsigned clinux_SPLICE_F_NONBLOCK = 2;
static const int clinux_F_SETPIPE_SZ = 1031;

// struct ucred (socket(7), SO_PEERCRED), likewise hidden.
struct clinux_ucred {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};

// Function-like macros and request numbers that do not import.
static inline unsigned long clinux_SIOCATMARK(void) { return SIOCATMARK; }
static inline unsigned long clinux_FIONREAD(void) { return FIONREAD; }
static inline int clinux_ioctl_int(int descriptor, unsigned long request, int *value) {
    return ioctl(descriptor, request, value);
}

// TIOCGWINSZ, ioctl_tty(2): the columns of a terminal, 0 for anything else.
static inline int clinux_terminal_columns(int descriptor) {
    struct winsize size;
    return ioctl(descriptor, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

// prlimit(2), likewise hidden; including its header here would take struct rlimit from Glibc.
struct clinux_rlimit {
    uint64_t current;
    uint64_t maximum;
};
static inline int clinux_prlimit(int pid, int resource, const struct clinux_rlimit *new_limit,
                                 struct clinux_rlimit *old_limit) {
    return (int)syscall(SYS_prlimit64, pid, resource, new_limit, old_limit);
}

// sched_getaffinity(2) of the calling thread, likewise; gives the bytes that were written.
static inline long clinux_sched_getaffinity(unsigned long size, unsigned long *mask) {
    return syscall(SYS_sched_getaffinity, 0, size, mask);
}

// sched_setaffinity(2) of a process or thread, 0 for the calling one.
static inline int clinux_sched_setaffinity(int pid, unsigned long size, const unsigned long *mask) {
    return (int)syscall(SYS_sched_setaffinity, pid, size, mask);
}

// PR_SET_TIMERSLACK, prctl(2), for the calling thread.
static inline int clinux_set_timer_slack(unsigned long nanoseconds) {
    return prctl(PR_SET_TIMERSLACK, nanoseconds, 0UL, 0UL, 0UL);
}

// recvmmsg(2) and sendmmsg(2) with their message, likewise hidden.
struct clinux_mmsghdr {
    struct msghdr header;
    unsigned int count;
};
static inline long clinux_recvmmsg(int descriptor, struct clinux_mmsghdr *messages,
                                   unsigned int count, int flags) {
    return syscall(SYS_recvmmsg, descriptor, messages, count, flags, (void *)0);
}
static inline long clinux_sendmmsg(int descriptor, struct clinux_mmsghdr *messages,
                                   unsigned int count, int flags) {
    return syscall(SYS_sendmmsg, descriptor, messages, count, flags);
}

// perf_event_open(2): counts how often a thread, and those that it starts, pass a tracepoint.
static inline int clinux_count_tracepoint(int tid, uint64_t tracepoint) {
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_TRACEPOINT,
        .size = sizeof attributes,
        .config = tracepoint,
        .inherit = 1,
    };
    return (int)syscall(SYS_perf_event_open, &attributes, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

#endif
