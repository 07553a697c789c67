// libuv: what comes is sent at once as far as the socket takes it; for the rest, a write request is
// made, and nothing is read until it is done.
#include "peer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

// A write that is under way, with its bytes behind it.
struct owed {
    uv_write_t request;
    char bytes[];
};

static char buffer[peer_buffer_size];

static void lend_buffer(uv_handle_t *handle, size_t wanted, uv_buf_t *lent) {
    (void)handle, (void)wanted;
    *lent = uv_buf_init(buffer, sizeof buffer);
}

static void closed(uv_handle_t *handle) {
    free(handle);
}

static void end(uv_stream_t *connection) {
    if (!uv_is_closing((uv_handle_t *)connection)) {
        uv_close((uv_handle_t *)connection, closed);
    }
}

static void received(uv_stream_t *connection, ssize_t count, const uv_buf_t *bytes);

static void sent_owed(uv_write_t *request, int status) {
    uv_stream_t *connection = request->handle;
    free(request);
    if (status < 0) {
        end(connection);
    } else {
        uv_read_start(connection, lend_buffer, received);
    }
}

static void received(uv_stream_t *connection, ssize_t count, const uv_buf_t *bytes) {
    if (count == 0) {
        return;
    }
    if (count < 0) {
        return end(connection);
    }
    uv_buf_t all = uv_buf_init(bytes->base, (unsigned)count);
    int sent = uv_try_write(connection, &all, 1);
    if (sent == count) {
        return;
    }
    if (sent == UV_EAGAIN) {
        sent = 0;
    }
    size_t left = (size_t)(count - sent);
    struct owed *owed = sent < 0 ? NULL : malloc(sizeof *owed + left);
    if (!owed) {
        return end(connection);
    }
    memcpy(owed->bytes, bytes->base + sent, left);
    uv_read_stop(connection);
    uv_buf_t rest = uv_buf_init(owed->bytes, (unsigned)left);
    if (uv_write(&owed->request, connection, &rest, 1, sent_owed)) {
        free(owed);
        end(connection);
    }
}

static void connected(uv_stream_t *listener, int status) {
    if (status < 0) {
        return;
    }
    uv_tcp_t *connection = malloc(sizeof *connection);
    if (!connection) {
        peer_fail("malloc", 0);
    }
    uv_tcp_init(listener->loop, connection);
    if (uv_accept(listener, (uv_stream_t *)connection) ||
        uv_read_start((uv_stream_t *)connection, lend_buffer, received)) {
        return end((uv_stream_t *)connection);
    }
    uv_tcp_nodelay(connection, 1);
}

int main(int count, char **arguments) {
    int port = peer_begin(count, arguments);
    uv_loop_t *loop = uv_default_loop();
    struct sockaddr_in address;
    uv_tcp_t listener;
    uv_tcp_init(loop, &listener);
    uv_ip4_addr("127.0.0.1", port, &address);
    int error = uv_tcp_bind(&listener, (const struct sockaddr *)&address, 0);
    if (error == 0) {
        error = uv_listen((uv_stream_t *)&listener, SOMAXCONN, connected);
    }
    if (error) {
        peer_fail("listen", -error);
    }
    return uv_run(loop, UV_RUN_DEFAULT);
}
