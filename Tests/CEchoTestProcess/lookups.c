// Stands before the resolver of the C library in the tests' process: the names held-0.invalid to
// held-63.invalid are looked up for as long as a test wants, as they are where no name server
// answers. All others go to the resolver.

#define _GNU_SOURCE
#include "CEchoTestProcess.h"
#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t released = PTHREAD_COND_INITIALIZER;
static uint64_t waiting;
static uint64_t free_names = ~UINT64_C(0);

void test_hold_lookup(int number) {
    pthread_mutex_lock(&lock);
    free_names &= ~(UINT64_C(1) << number);
    pthread_mutex_unlock(&lock);
}

void test_release_lookup(int number) {
    pthread_mutex_lock(&lock);
    free_names |= UINT64_C(1) << number;
    pthread_cond_broadcast(&released);
    pthread_mutex_unlock(&lock);
}

int test_is_lookup_waiting(int number) {
    pthread_mutex_lock(&lock);
    int result = (waiting >> number) & 1;
    pthread_mutex_unlock(&lock);
    return result;
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **list) {
    int number;
    if (node == NULL || sscanf(node, "held-%d.invalid", &number) != 1 || number < 0 || number > 63) {
        int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
        *(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
        return next(node, service, hints, list);
    }
    uint64_t bit = UINT64_C(1) << number;
    pthread_mutex_lock(&lock);
    waiting |= bit;
    while (!(free_names & bit)) pthread_cond_wait(&released, &lock);
    waiting &= ~bit;
    pthread_mutex_unlock(&lock);
    return EAI_NONAME;
}
