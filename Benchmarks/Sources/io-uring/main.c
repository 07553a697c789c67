// io_uring: one accept that goes on, one receive for each connection that goes on and takes its
// memory from a ring of buffers, and one send at a time for each connection.
//
// What was received waits in its buffers until it has been sent, in order. If the socket does not
// take all of it, the client is slow: the rest moves into memory of the connection's own, so that
// the buffers are free for others, and receiving is cancelled until that is sent.
#include "peer.h"

#include <errno.h>
#include <liburing.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    entry_count = 4096,
    completion_count = 65536,
    buffer_count = 4096,
    buffer_size = 16384,
    most_buffers = 4,
    group = 0,
};

struct connection {
    int socket;
    bool is_receiving, is_cancelling, is_sending, is_waiting, has_ended, has_failed;
    // Buffers that are to be sent, linked by `next_buffer`; the first from `first_from` on.
    int first, last, count;
    uint32_t first_from;
    // What a slow client is owed; sent before anything is received again.
    char *owed;
    size_t owed_from, owed_to;
    // Among those that wait for a buffer.
    struct connection *next_waiting;
};

// What a completion belongs to, in the low bits of its connection's address.
enum purpose { receiving, sending, other, purposes = 3 };

static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static char *memory;
static int next_buffer[buffer_count];
static uint32_t buffer_length[buffer_count];
static int free_buffers;
static struct connection *waiting;
static int listener;

static struct io_uring_sqe *prepare(void) {
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring);
    if (!entry) {
        io_uring_submit(&ring);
        entry = io_uring_get_sqe(&ring);
    }
    return entry;
}

static void tag(struct io_uring_sqe *entry, struct connection *connection, enum purpose purpose) {
    io_uring_sqe_set_data64(entry, (uintptr_t)connection | purpose);
}

static char *bytes_of(int buffer) {
    return memory + (size_t)buffer * buffer_size;
}

static void start_accepting(void) {
    struct io_uring_sqe *entry = prepare();
    io_uring_prep_multishot_accept(entry, listener, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(entry, 0);
}

static void start_receiving(struct connection *connection) {
    struct io_uring_sqe *entry = prepare();
    io_uring_prep_recv_multishot(entry, connection->socket, NULL, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = group;
    tag(entry, connection, receiving);
    connection->is_receiving = true;
}

static void stop_receiving(struct connection *connection) {
    if (connection->is_receiving && !connection->is_cancelling) {
        struct io_uring_sqe *entry = prepare();
        io_uring_prep_cancel64(entry, (uintptr_t)connection | receiving, 0);
        tag(entry, NULL, other);
        connection->is_cancelling = true;
    }
}

static void give_back(int buffer) {
    io_uring_buf_ring_add(buffers, bytes_of(buffer), buffer_size, (unsigned short)buffer,
                          io_uring_buf_ring_mask(buffer_count), 0);
    io_uring_buf_ring_advance(buffers, 1);
    free_buffers++;
}

static int take_first(struct connection *connection) {
    int buffer = connection->first;
    connection->first = next_buffer[buffer];
    connection->first_from = 0;
    connection->count -= 1;
    return buffer;
}

static void send_next(struct connection *connection) {
    struct io_uring_sqe *entry = prepare();
    if (connection->owed) {
        // Completes when all of it is sent.
        io_uring_prep_send(entry, connection->socket, connection->owed + connection->owed_from,
                           connection->owed_to - connection->owed_from,
                           MSG_NOSIGNAL | MSG_WAITALL);
    } else {
        int buffer = connection->first;
        io_uring_prep_send(entry, connection->socket, bytes_of(buffer) + connection->first_from,
                           buffer_length[buffer] - connection->first_from,
                           MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    tag(entry, connection, sending);
    connection->is_sending = true;
}

// Moves what is in the connection's buffers into its own memory.
static void own(struct connection *connection) {
    size_t old = connection->owed_to - connection->owed_from, size = old;
    for (int buffer = connection->first, left = connection->count; left > 0; left--) {
        size += buffer_length[buffer];
        buffer = next_buffer[buffer];
    }
    char *owed = malloc(size);
    if (!owed) {
        connection->has_failed = true;
        return;
    }
    if (old > 0) {
        memcpy(owed, connection->owed + connection->owed_from, old);
    }
    size_t end = old;
    while (connection->count > 0) {
        uint32_t from = connection->first_from;
        int buffer = take_first(connection);
        memcpy(owed + end, bytes_of(buffer) + from, buffer_length[buffer] - from);
        end += buffer_length[buffer] - from;
        give_back(buffer);
    }
    free(connection->owed);
    connection->owed = owed;
    connection->owed_from = 0;
    connection->owed_to = end;
}

static void wait_for_buffer(struct connection *connection) {
    connection->is_waiting = true;
    connection->next_waiting = waiting;
    waiting = connection;
}

static void resume_waiting(void) {
    struct connection *all = waiting;
    waiting = NULL;
    while (all) {
        struct connection *connection = all;
        all = all->next_waiting;
        connection->is_waiting = false;
        start_receiving(connection);
    }
}

static void finish(struct connection *connection) {
    close(connection->socket);
    while (connection->count > 0) {
        give_back(take_first(connection));
    }
    free(connection->owed);
    free(connection);
}

// Does what is to be done next on a connection, after any completion of it.
static void go_on(struct connection *connection) {
    bool is_slow = connection->owed || connection->count >= most_buffers;
    if (connection->has_failed || is_slow) {
        stop_receiving(connection);
    }
    if (connection->is_sending) {
        return;
    }
    if (!connection->has_failed && (connection->owed || connection->count > 0)) {
        return send_next(connection);
    }
    if (connection->is_receiving || connection->is_waiting) {
        return;
    }
    if (connection->has_failed || connection->has_ended) {
        finish(connection);
    } else {
        start_receiving(connection);
    }
}

static void received(struct connection *connection, const struct io_uring_cqe *completion) {
    int result = completion->res;
    if (completion->flags & IORING_CQE_F_BUFFER) {
        int buffer = (int)(completion->flags >> IORING_CQE_BUFFER_SHIFT);
        free_buffers--;
        if (result > 0) {
            buffer_length[buffer] = (uint32_t)result;
            if (connection->count++ == 0) {
                connection->first = buffer;
            } else {
                next_buffer[connection->last] = buffer;
            }
            connection->last = buffer;
        } else {
            give_back(buffer);
        }
    }
    if (!(completion->flags & IORING_CQE_F_MORE)) {
        connection->is_receiving = false;
        connection->is_cancelling = false;
        if (result == 0) {
            connection->has_ended = true;
        } else if (result == -ENOBUFS) {
            wait_for_buffer(connection);
        } else if (result < 0 && result != -ECANCELED && result != -EINTR) {
            connection->has_failed = true;
        }
    }
    // Sent behind what is owed already, unless that is being sent from where it is.
    if (connection->owed && connection->count > 0 && !connection->is_sending) {
        own(connection);
    }
    go_on(connection);
}

static void sent(struct connection *connection, int result) {
    connection->is_sending = false;
    if (result < 0 && result != -EAGAIN && result != -EINTR) {
        connection->has_failed = true;
    }
    size_t count = result > 0 ? (size_t)result : 0;
    if (connection->owed) {
        connection->owed_from += count;
        if (connection->owed_from == connection->owed_to) {
            free(connection->owed);
            connection->owed = NULL;
            connection->owed_from = connection->owed_to = 0;
        }
    } else {
        connection->first_from += count;
        if (connection->first_from == buffer_length[connection->first]) {
            give_back(take_first(connection));
        } else if (!connection->has_failed) {
            own(connection);
        }
    }
    go_on(connection);
}

static void accepted(const struct io_uring_cqe *completion) {
    if (completion->res >= 0) {
        struct connection *connection = calloc(1, sizeof *connection);
        if (connection) {
            connection->socket = completion->res;
            peer_set_no_delay(connection->socket);
            start_receiving(connection);
        } else {
            close(completion->res);
        }
    }
    if (completion->flags & IORING_CQE_F_MORE) {
        return;
    }
    if (peer_is_shortage(-completion->res)) {
        static struct __kernel_timespec pause = {.tv_nsec = peer_pause_milliseconds * 1000000};
        struct io_uring_sqe *entry = prepare();
        io_uring_prep_timeout(entry, &pause, 0, 0);
        io_uring_sqe_set_data64(entry, sending);
    } else {
        start_accepting();
    }
}

static void complete(const struct io_uring_cqe *completion) {
    uint64_t data = completion->user_data;
    struct connection *connection = (struct connection *)(uintptr_t)(data & ~(uint64_t)purposes);
    enum purpose purpose = data & purposes;
    if (purpose == other) {
        return;
    }
    if (!connection) {
        // Without a connection: an accept, or the end of a pause.
        return purpose == sending ? start_accepting() : accepted(completion);
    }
    if (purpose == sending) {
        sent(connection, completion->res);
    } else {
        received(connection, completion);
    }
}

static void refuse(const char *what, int error) {
    fprintf(stderr, "this kernel has no io_uring as needed: %s: %s\n", what, strerror(error));
    exit(69);
}

static void set_up(void) {
    struct io_uring_params parameters = {
        .flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
        .cq_entries = completion_count,
    };
    int error = io_uring_queue_init_params(entry_count, &ring, &parameters);
    if (error) {
        refuse("io_uring_setup", -error);
    }
    size_t ring_size = buffer_count * sizeof(struct io_uring_buf);
    buffers = aligned_alloc(4096, ring_size);
    memory = aligned_alloc(4096, (size_t)buffer_count * buffer_size);
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)buffers, .ring_entries = buffer_count, .bgid = group};
    error = buffers && memory ? io_uring_register_buf_ring(&ring, &registration, 0) : -ENOMEM;
    if (error) {
        refuse("io_uring_register_buf_ring", -error);
    }
    io_uring_buf_ring_init(buffers);
    for (int buffer = 0; buffer < buffer_count; buffer++) {
        give_back(buffer);
    }
}

int main(int count, char **arguments) {
    int port = peer_begin(count, arguments);
    set_up();
    listener = peer_listen(port);
    start_accepting();
    for (;;) {
        int error = io_uring_submit_and_wait(&ring, 1);
        if (error < 0 && error != -EINTR && error != -EBUSY) {
            peer_fail("io_uring_enter", -error);
        }
        struct io_uring_cqe *completion;
        unsigned head, seen = 0;
        io_uring_for_each_cqe(&ring, head, completion) {
            complete(completion);
            seen++;
        }
        io_uring_cq_advance(&ring, seen);
        if (free_buffers > 0) {
            resume_waiting();
        }
    }
}
