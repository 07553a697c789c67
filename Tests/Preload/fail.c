// Makes chosen calls of the C library fail, in a program that is started with this library in
// LD_PRELOAD: the program needs no hook for it. Built and used by InjectedFaults.swift.
//
// FAIL_RULES  rules, separated by commas: CALL:ERROR:FROM:ONE_IN. ERROR is a number of errno(3), or
//             0 for a transfer of a single byte, or negative for a call that only comes so many
//             milliseconds late. The first FROM calls are spared; of the others one
//             in ONE_IN fails, which ones is a matter of the seed.
// FAIL_SEED   a number.
// FAIL_STATE  a file of 64-bit words, shared with the test: word 0 says whether rules apply now;
//             words 2i + 1 and 2i + 2 count the calls that rule i was asked about, and its failures.
//
// FAIL_DISPATCH  if set, calls that Dispatch makes for itself are not let through.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <link.h>
#include <netdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <poll.h>
#include <unistd.h>

#define MAXIMUM_RULES 8

struct rule {
    char call[24];
    int error;
    uint64_t from;
    uint64_t one_in;
};

static struct rule rules[MAXIMUM_RULES];
static int rule_count;
static uint64_t seed;
static _Atomic uint64_t *state;
static uintptr_t dispatch_start, dispatch_end;

static int find_dispatch(struct dl_phdr_info *object, size_t size, void *context) {
    (void)size;
    (void)context;
    if (strstr(object->dlpi_name, "libdispatch") == NULL) return 0;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X)) continue;
        dispatch_start = object->dlpi_addr + segment->p_vaddr;
        dispatch_end = dispatch_start + segment->p_memsz;
    }
    return 1;
}

static void parse_rules(const char *text) {
    while (*text != 0 && rule_count < MAXIMUM_RULES) {
        struct rule *rule = &rules[rule_count++];
        size_t length = strcspn(text, ":");
        memcpy(rule->call, text, length < sizeof rule->call ? length : sizeof rule->call - 1);
        char *rest = (char *)text + length + 1;
        rule->error = (int)strtol(rest, &rest, 10);
        rule->from = strtoull(rest + 1, &rest, 10);
        rule->one_in = strtoull(rest + 1, &rest, 10);
        text = *rest == ',' ? rest + 1 : rest;
    }
}

__attribute__((constructor)) static void prepare(void) {
    const char *text = getenv("FAIL_RULES");
    const char *path = getenv("FAIL_STATE");
    if (text == NULL || path == NULL) return;
    int number = open(path, O_RDWR | O_CLOEXEC);
    if (number < 0) abort();
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, number, 0);
    close(number);
    if (memory == MAP_FAILED) abort();
    if (getenv("FAIL_DISPATCH") == NULL) dl_iterate_phdr(find_dispatch, NULL);
    if (getenv("FAIL_SEED") != NULL) seed = strtoull(getenv("FAIL_SEED"), NULL, 10);
    parse_rules(text);
    state = memory;
}

static uint64_t mix(uint64_t value) {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

static void delay(int milliseconds) {
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    while (nanosleep(&time, &time) != 0) {}
}

// The error that this call is to fail with, 0 for a short transfer, -1 to let it through.
static int verdict(const char *call, void *caller) {
    if (state == NULL || atomic_load(&state[0]) == 0) return -1;
    if ((uintptr_t)caller >= dispatch_start && (uintptr_t)caller < dispatch_end) return -1;
    for (int i = 0; i < rule_count; i++) {
        if (strcmp(rules[i].call, call) != 0) continue;
        uint64_t number = atomic_fetch_add(&state[2 * i + 1], 1);
        if (number < rules[i].from) continue;
        if (mix(seed + number * 0x9e3779b97f4a7c15u) % rules[i].one_in != 0) continue;
        atomic_fetch_add(&state[2 * i + 2], 1);
        if (rules[i].error >= 0) return rules[i].error;
        delay(-rules[i].error);
        return -1;
    }
    return -1;
}

#define CALLER __builtin_return_address(0)

#define NEXT(name)                                                                                 \
    static __typeof__(&name) next;                                                                 \
    if (next == NULL) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define FAIL_UNLESS_SPARED(call)                                                                   \
    int error = verdict(call, CALLER);                                                             \
    if (error > 0) {                                                                               \
        errno = error;                                                                             \
        return -1;                                                                                 \
    }

int accept4(int number, struct sockaddr *address, socklen_t *length, int flags) {
    NEXT(accept4);
    FAIL_UNLESS_SPARED("accept4")
    return next(number, address, length, flags);
}

ssize_t recv(int number, void *buffer, size_t size, int flags) {
    NEXT(recv);
    FAIL_UNLESS_SPARED("recv")
    return next(number, buffer, error == 0 && size > 0 ? 1 : size, flags);
}

ssize_t send(int number, const void *buffer, size_t size, int flags) {
    NEXT(send);
    FAIL_UNLESS_SPARED("send")
    return next(number, buffer, error == 0 && size > 0 ? 1 : size, flags);
}

int shutdown(int number, int how) {
    NEXT(shutdown);
    FAIL_UNLESS_SPARED("shutdown")
    return next(number, how);
}

int socket(int family, int type, int protocol) {
    NEXT(socket);
    FAIL_UNLESS_SPARED("socket")
    // A kernel without one of the two fails for that family alone.
    error = verdict(family == AF_INET ? "socket-ipv4" : family == AF_INET6 ? "socket-ipv6" : "", CALLER);
    if (error > 0) {
        errno = error;
        return -1;
    }
    return next(family, type, protocol);
}

int bind(int number, const struct sockaddr *address, socklen_t length) {
    NEXT(bind);
    FAIL_UNLESS_SPARED("bind")
    return next(number, address, length);
}

int listen(int number, int backlog) {
    NEXT(listen);
    FAIL_UNLESS_SPARED("listen")
    return next(number, backlog);
}

int unlink(const char *path) {
    NEXT(unlink);
    FAIL_UNLESS_SPARED("unlink")
    return next(path);
}

int chmod(const char *path, mode_t mode) {
    NEXT(chmod);
    FAIL_UNLESS_SPARED("chmod")
    return next(path, mode);
}

int lchown(const char *path, uid_t owner, gid_t group) {
    NEXT(lchown);
    FAIL_UNLESS_SPARED("lchown")
    return next(path, owner, group);
}

int getsockname(int number, struct sockaddr *address, socklen_t *length) {
    NEXT(getsockname);
    FAIL_UNLESS_SPARED("getsockname")
    return next(number, address, length);
}

// Also under the numbers of the option: setsockopt-LEVEL-NAME.
int setsockopt(int number, int level, int name, const void *value, socklen_t length) {
    NEXT(setsockopt);
    char one[32];
    snprintf(one, sizeof one, "setsockopt-%d-%d", level, name);
    int failure = verdict(one, CALLER);
    if (failure > 0) {
        errno = failure;
        return -1;
    }
    FAIL_UNLESS_SPARED("setsockopt")
    return next(number, level, name, value, length);
}

int getsockopt(int number, int level, int name, void *value, socklen_t *length) {
    NEXT(getsockopt);
    FAIL_UNLESS_SPARED("getsockopt")
    return next(number, level, name, value, length);
}

int fcntl(int number, int command, ...) {
    NEXT(fcntl);
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    FAIL_UNLESS_SPARED("fcntl")
    return next(number, command, argument);
}

int fcntl64(int number, int command, ...) {
    NEXT(fcntl64);
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    FAIL_UNLESS_SPARED("fcntl")
    return next(number, command, argument);
}

int poll(struct pollfd *entries, nfds_t count, int milliseconds) {
    NEXT(poll);
    FAIL_UNLESS_SPARED("poll")
    return next(entries, count, milliseconds);
}

int select(int count, fd_set *readable, fd_set *writable, fd_set *failed, struct timeval *time) {
    NEXT(select);
    FAIL_UNLESS_SPARED("select")
    return next(count, readable, writable, failed, time);
}

int epoll_create1(int flags) {
    NEXT(epoll_create1);
    FAIL_UNLESS_SPARED("epoll_create1")
    return next(flags);
}

int epoll_create(int size) {
    NEXT(epoll_create);
    FAIL_UNLESS_SPARED("epoll_create1")
    return next(size);
}

int epoll_wait(int epoll, struct epoll_event *events, int size, int milliseconds) {
    NEXT(epoll_wait);
    FAIL_UNLESS_SPARED("epoll_wait")
    return next(epoll, events, size, milliseconds);
}

// Only what takes memory can fail.
int epoll_ctl(int epoll, int command, int number, struct epoll_event *event) {
    NEXT(epoll_ctl);
    if (command == EPOLL_CTL_ADD) {
        FAIL_UNLESS_SPARED("epoll_ctl")
    }
    return next(epoll, command, number, event);
}

int eventfd(unsigned int count, int flags) {
    NEXT(eventfd);
    FAIL_UNLESS_SPARED("eventfd")
    return next(count, flags);
}

int getaddrinfo(
    const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **list
) {
    NEXT(getaddrinfo);
    int error = verdict("getaddrinfo", CALLER);
    return error > 0 ? EAI_AGAIN : next(node, service, hints, list);
}

int getgrnam_r(
    const char *name, struct group *entry, char *buffer, size_t size, struct group **found
) {
    NEXT(getgrnam_r);
    int error = verdict("getgrnam_r", CALLER);
    return error > 0 ? error : next(name, entry, buffer, size, found);
}

int pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument
) {
    NEXT(pthread_create);
    int error = verdict("pthread_create", CALLER);
    return error > 0 ? error : next(thread, attributes, body, argument);
}
