// The floor: one thread and a level-triggered epoll. A connection that owes nothing has no buffer.
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

static void receive(struct connection *connection) {
    ssize_t count = recv(connection->socket, buffer, sizeof buffer, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    ssize_t sent = count > 0 ? send_some(connection->socket, buffer, (size_t)count) : -1;
    if (sent < 0) {
        return end(connection);
    }
    if (sent < count) {
        connection->owed_to = (size_t)(count - sent);
        connection->owed = malloc(connection->owed_to);
        if (!connection->owed) {
            return end(connection);
        }
        memcpy(connection->owed, buffer + sent, connection->owed_to);
        watch(EPOLL_CTL_MOD, connection->socket, EPOLLOUT, connection);
    }
}

static void send_owed(struct connection *connection) {
    size_t count = connection->owed_to - connection->owed_from;
    ssize_t sent = send_some(connection->socket, connection->owed + connection->owed_from, count);
    if (sent < 0) {
        return end(connection);
    }
    connection->owed_from += (size_t)sent;
    if (connection->owed_from == connection->owed_to) {
        free(connection->owed);
        *connection = (struct connection){.socket = connection->socket};
        watch(EPOLL_CTL_MOD, connection->socket, EPOLLIN, connection);
    }
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
        watch(EPOLL_CTL_ADD, socket, EPOLLIN, connection);
    }
}

int main(int count, char **arguments) {
    int listener = peer_listen(peer_begin(count, arguments));
    poller = epoll_create1(EPOLL_CLOEXEC);
    watch(EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
    bool is_paused = false;
    for (;;) {
        struct epoll_event events[256];
        int ready = epoll_wait(poller, events, 256, is_paused ? peer_pause_milliseconds : -1);
        if (is_paused) {
            watch(EPOLL_CTL_MOD, listener, EPOLLIN, NULL);
            is_paused = false;
        }
        for (int index = 0; index < ready; index++) {
            struct connection *connection = events[index].data.ptr;
            if (!connection) {
                is_paused = accept_all(listener);
                if (is_paused) {
                    watch(EPOLL_CTL_MOD, listener, 0, NULL);
                }
            } else if (connection->owed) {
                send_owed(connection);
            } else {
                receive(connection);
            }
        }
    }
}
