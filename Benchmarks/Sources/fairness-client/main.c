// One client that plays ping-pong, beside others that keep as much under way as they may: how long
// do the pings take? Prints their median and 99th percentile, in ns, and the bytes a second of the
// others.
//
//     fairness-client PORT STREAMS SECONDS
#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { message = 65536, in_flight = 4, ping_size = 64, most_pings = 1 << 20 };

struct stream {
    int socket;
    size_t sent, received;
    uint32_t watched;
};

static int poller;
static char buffer[message];
static int64_t times[most_pings];
static int ping_count;

static void fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, errno ? strerror(errno) : "the server ended a connection");
    exit(1);
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static int open_connection(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((in_port_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (connect(connection, (struct sockaddr *)&address, sizeof address)) {
        fail("connect");
    }
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return connection;
}

static size_t checked(ssize_t count, const char *what) {
    if (count == 0) {
        errno = 0;
    }
    if (count == 0 || (count < 0 && errno != EAGAIN)) {
        fail(what);
    }
    return count < 0 ? 0 : (size_t)count;
}

static void watch(struct stream *stream, uint32_t events, int operation) {
    struct epoll_event event = {.events = events, .data.ptr = stream};
    if (stream->watched != events && epoll_ctl(poller, operation, stream->socket, &event)) {
        fail("epoll_ctl");
    }
    stream->watched = events;
}

static void serve(struct stream *stream, uint32_t events) {
    if (events & ~EPOLLOUT) {
        stream->received +=
            checked(recv(stream->socket, buffer, message, MSG_DONTWAIT), "recv");
    }
    size_t room = message * in_flight - (stream->sent - stream->received);
    size_t count = room < message ? room : message;
    size_t sent = 0;
    if (count > 0) {
        sent = checked(send(stream->socket, buffer, count, MSG_DONTWAIT | MSG_NOSIGNAL), "send");
        stream->sent += sent;
    }
    watch(stream, EPOLLIN | (room > sent ? EPOLLOUT : 0), EPOLL_CTL_MOD);
}

// Takes the answer, if it has come, and sends the next ping.
static void play(int connection, int64_t *since, size_t *owed) {
    char answer[ping_size];
    *owed -= checked(recv(connection, answer, *owed, MSG_DONTWAIT), "recv");
    if (*owed > 0) {
        return;
    }
    if (ping_count < most_pings) {
        times[ping_count++] = now() - *since;
    }
    *since = now();
    *owed = ping_size;
    checked(send(connection, buffer, ping_size, MSG_NOSIGNAL), "send");
}

static int compare(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

int main(int count, char **arguments) {
    if (count != 4) {
        fprintf(stderr, "usage: %s PORT STREAMS SECONDS\n", arguments[0]);
        return 64;
    }
    int port = atoi(arguments[1]), stream_count = atoi(arguments[2]);
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct stream *streams = calloc((size_t)stream_count, sizeof *streams);
    for (int index = 0; index < stream_count; index++) {
        streams[index].socket = open_connection(port);
        watch(&streams[index], EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
    }
    struct stream ping = {.socket = open_connection(port)};
    watch(&ping, EPOLLIN, EPOLL_CTL_ADD);
    int64_t begin = now(), end = begin + (int64_t)(atof(arguments[3]) * 1e9), since = begin;
    int64_t warm = begin + (end - begin) / 5;
    size_t owed = ping_size;
    checked(send(ping.socket, buffer, ping_size, MSG_NOSIGNAL), "send");
    for (int is_warm = 0; now() < end;) {
        struct epoll_event events[64];
        int ready = epoll_wait(poller, events, 64, 1000);
        for (int index = 0; index < ready; index++) {
            struct stream *stream = events[index].data.ptr;
            if (stream != &ping) {
                serve(stream, events[index].events);
            }
            // After each stream: a ping is to wait for the server, not for this loop.
            play(ping.socket, &since, &owed);
        }
        if (!is_warm && now() > warm) {
            is_warm = 1;
            ping_count = 0;
            begin = now();
            for (int index = 0; index < stream_count; index++) {
                streams[index].sent -= streams[index].received;
                streams[index].received = 0;
            }
        }
    }
    if (ping_count < 10) {
        fprintf(stderr, "only %d pings came back\n", ping_count);
        return 1;
    }
    size_t moved = 0;
    for (int index = 0; index < stream_count; index++) {
        moved += streams[index].received;
    }
    qsort(times, (size_t)ping_count, sizeof *times, compare);
    printf("%lld %lld %.0f\n", (long long)times[ping_count / 2],
           (long long)times[ping_count - 1 - ping_count / 100],
           (double)moved / ((double)(now() - begin) / 1e9));
}
