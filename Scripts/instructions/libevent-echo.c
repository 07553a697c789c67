// The reference for Scripts/instructions-per-echo: an echo on libevent with nothing else to it. It
// sends what it received at once, and knows no limits, no backlog and no half-closed connection.
#include <event2/event.h>
#include <event2/listener.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>

struct connection {
    struct event *readable;
    char buffer[16384];
};

static void echo(evutil_socket_t socket, short what, void *context) {
    (void)what;
    struct connection *connection = context;
    ssize_t count = recv(socket, connection->buffer, sizeof connection->buffer, 0);
    if (count > 0 && send(socket, connection->buffer, (size_t)count, MSG_NOSIGNAL) == count) {
        return;
    }
    event_free(connection->readable);
    free(connection);
    close(socket);
}

static void accepted(struct evconnlistener *listener, evutil_socket_t socket,
                     struct sockaddr *peer, int length, void *context) {
    (void)peer, (void)length, (void)context;
    struct connection *connection = malloc(sizeof *connection);
    connection->readable = event_new(evconnlistener_get_base(listener), socket,
                                     EV_READ | EV_PERSIST, echo, connection);
    event_add(connection->readable, NULL);
}

static void end(evutil_socket_t signal, short what, void *base) {
    (void)signal, (void)what;
    event_base_loopbreak(base);
}

int main(void) {
    struct event_base *base = event_base_new();
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    struct evconnlistener *listener = evconnlistener_new_bind(
        base, accepted, NULL, LEV_OPT_CLOSE_ON_FREE, 128, (struct sockaddr *)&address, length);
    struct event *terminated = evsignal_new(base, SIGTERM, end, base);
    if (!listener || !terminated || event_add(terminated, NULL) ||
        getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &length)) {
        return 1;
    }
    printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return event_base_dispatch(base) < 0;
}
