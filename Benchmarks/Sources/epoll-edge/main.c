// One thread and an edge-triggered epoll: a socket is registered once, for everything, and its
// events tell of changes only. So each event is used up: until there is nothing left to receive, or
// no room left to send.
#include "peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
    int socket;
    // What could not be sent yet. While there is any, nothing is received.
    char *owed;
    size_t owed_from, owed_to;
};

enum { turns_at_once = 16 };

static const uint32_t changes = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
static int poller;
static char buffer[peer_buffer_size];

static void watch(int operation, int socket, uint32_t events, void *user) {
    struct epoll_event event = {.events = events, .data.ptr = user};
    if (epoll_ctl(poller, operation, socket, &event)) {
        peer_fail("epoll_ctl", errno);
    }
}

static void end(struct connection *connection) {
    close(connection->socket);
    free(connection->owed);
    free(connection);
}

// Gives how much the socket took, or -1 if the connection has failed.
static ssize_t send_some(int socket, const char *bytes, size_t count) {
    ssize_t sent = send(socket, bytes, count, MSG_NOSIGNAL);
    return sent < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : sent;
}

// Gives whether nothing is owed any more; ends the connection if it has failed.
static bool send_owed(struct connection *connection) {
    while (connection->owed) {
        size_t count = connection->owed_to - connection->owed_from;
        ssize_t sent =
            send_some(connection->socket, connection->owed + connection->owed_from, count);
        if (sent < 0) {
            end(connection);
            return false;
        }
        if (sent == 0) {
            return false;
        }
        connection->owed_from += (size_t)sent;
        if (connection->owed_from == connection->owed_to) {
            free(connection->owed);
            *connection = (struct connection){.socket = connection->socket};
        }
    }
    return true;
}

// Gives whether to go on: nothing is owed. Ends the connection if it has failed.
static bool echo(struct connection *connection, size_t count) {
    ssize_t sent = send_some(connection->socket, buffer, count);
    if (sent == (ssize_t)count) {
        return true;
    }
    if (sent >= 0) {
        connection->owed_to = count - (size_t)sent;
        connection->owed = malloc(connection->owed_to);
    }
    if (!connection->owed) {
        end(connection);
        return false;
    }
    memcpy(connection->owed, buffer + sent, connection->owed_to);
    // There may be room again by now, of which no event would tell.
    return send_owed(connection);
}

static void serve(struct connection *connection, uint32_t events) {
    if (!connection->owed && events == EPOLLOUT) {
        return;
    }
    if (!send_owed(connection)) {
        return;
    }
    for (int turn = 0; turn < turns_at_once; turn++) {
        ssize_t count = recv(connection->socket, buffer, sizeof buffer, 0);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0 && errno == EAGAIN) {
            return;
        }
        if (count <= 0) {
            return end(connection);
        }
        if (!echo(connection, (size_t)count)) {
            return;
        }
        // That was all, unless the end or an urgent byte is behind it: what comes from now on is
        // another change.
        if ((size_t)count < sizeof buffer && !(events & ~(EPOLLIN | EPOLLOUT))) {
            return;
        }
    }
    // Others first. This has the event reported again if there is still something.
    watch(EPOLL_CTL_MOD, connection->socket, changes, connection);
}

// Gives whether there is a shortage.
static bool accept_all(int listener) {
    for (;;) {
        int socket = peer_accept(listener);
        if (socket < 0) {
            if (peer_is_drained(errno) || peer_is_shortage(errno)) {
                return peer_is_shortage(errno);
            }
            continue;
        }
        struct connection *connection = calloc(1, sizeof *connection);
        if (!connection) {
            close(socket);
            return true;
        }
        connection->socket = socket;
        watch(EPOLL_CTL_ADD, socket, changes, connection);
    }
}

int main(int count, char **arguments) {
    int listener = peer_listen(peer_begin(count, arguments));
    poller = epoll_create1(EPOLL_CLOEXEC);
    watch(EPOLL_CTL_ADD, listener, EPOLLIN | EPOLLET, NULL);
    bool is_paused = false;
    for (;;) {
        struct epoll_event events[256];
        int ready = epoll_wait(poller, events, 256, is_paused ? peer_pause_milliseconds : -1);
        if (is_paused) {
            is_paused = accept_all(listener);
        }
        for (int index = 0; index < ready; index++) {
            if (!events[index].data.ptr) {
                is_paused = accept_all(listener);
            } else {
                serve(events[index].data.ptr, events[index].events);
            }
        }
    }
}
