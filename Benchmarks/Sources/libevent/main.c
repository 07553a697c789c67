// libevent with raw callbacks: a persistent event for reading, and one for writing that is added
// only while a connection owes something.
#include "peer.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
    struct event *readable;
    struct event *writable;
    // What could not be sent yet. While there is any, nothing is received.
    char *owed;
    size_t owed_from, owed_to;
};

static struct event_base *base;
static struct event *acceptable;
static struct event *pause_over;
static char buffer[peer_buffer_size];

static void end(struct connection *connection) {
    int socket = event_get_fd(connection->readable);
    event_free(connection->readable);
    if (connection->writable) {
        event_free(connection->writable);
    }
    close(socket);
    free(connection->owed);
    free(connection);
}

// Gives how much the socket took, or -1 if the connection has failed.
static ssize_t send_some(int socket, const char *bytes, size_t count) {
    ssize_t sent = send(socket, bytes, count, MSG_NOSIGNAL);
    return sent < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : sent;
}

static void can_send(int socket, short what, void *context) {
    (void)what;
    struct connection *connection = context;
    size_t count = connection->owed_to - connection->owed_from;
    ssize_t sent = send_some(socket, connection->owed + connection->owed_from, count);
    if (sent < 0) {
        return end(connection);
    }
    connection->owed_from += (size_t)sent;
    if (connection->owed_from == connection->owed_to) {
        free(connection->owed);
        connection->owed = NULL;
        event_del(connection->writable);
        event_add(connection->readable, NULL);
    }
}

// Keeps what could not be sent; gives whether that is possible.
static bool owe(struct connection *connection, int socket, const char *bytes, size_t count) {
    if (!connection->writable) {
        connection->writable = event_new(base, socket, EV_WRITE | EV_PERSIST, can_send, connection);
    }
    connection->owed = malloc(count);
    if (!connection->owed || !connection->writable) {
        return false;
    }
    memcpy(connection->owed, bytes, count);
    connection->owed_from = 0;
    connection->owed_to = count;
    event_del(connection->readable);
    event_add(connection->writable, NULL);
    return true;
}

static void can_receive(int socket, short what, void *context) {
    (void)what;
    struct connection *connection = context;
    ssize_t count = recv(socket, buffer, sizeof buffer, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    ssize_t sent = count > 0 ? send_some(socket, buffer, (size_t)count) : -1;
    if (sent == count) {
        return;
    }
    if (sent < 0 || !owe(connection, socket, buffer + sent, (size_t)(count - sent))) {
        end(connection);
    }
}

// Gives whether there was memory for it.
static bool serve(int socket) {
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection) {
        connection->readable =
            event_new(base, socket, EV_READ | EV_PERSIST, can_receive, connection);
    }
    if (!connection || !connection->readable) {
        free(connection);
        close(socket);
        return false;
    }
    event_add(connection->readable, NULL);
    return true;
}

static void can_accept(int listener, short what, void *context) {
    (void)what, (void)context;
    for (;;) {
        int socket = peer_accept(listener);
        bool is_short = socket < 0 ? peer_is_shortage(errno) : !serve(socket);
        if (is_short) {
            struct timeval pause = {.tv_usec = peer_pause_milliseconds * 1000};
            event_del(acceptable);
            event_add(pause_over, &pause);
            return;
        }
        if (socket < 0 && peer_is_drained(errno)) {
            return;
        }
    }
}

static void resume_accepting(int none, short what, void *context) {
    (void)none, (void)what, (void)context;
    event_add(acceptable, NULL);
}

int main(int count, char **arguments) {
    int listener = peer_listen(peer_begin(count, arguments));
    base = event_base_new();
    acceptable = event_new(base, listener, EV_READ | EV_PERSIST, can_accept, NULL);
    pause_over = event_new(base, -1, 0, resume_accepting, NULL);
    event_add(acceptable, NULL);
    return event_base_dispatch(base) < 0;
}
