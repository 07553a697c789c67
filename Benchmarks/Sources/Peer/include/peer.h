// What every peer does before it serves, and what those in C do with a new connection.
#pragma once

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/// How many bytes a peer receives at most at once.
enum { peer_buffer_size = 65536 };

/// Ignores SIGPIPE, raises the limit on descriptors to the hard one, and gives the port to listen
/// on: the only argument. Ends the program if that is not a port.
int peer_begin(int count, char *const *arguments);

/// A non-blocking socket that listens on that port of 127.0.0.1. Ends the program if there is none.
int peer_listen(int port);

/// Has small messages sent at once.
void peer_set_no_delay(int socket);

/// Accepts a connection: a non-blocking socket without delay, or -1 with `errno` set.
int peer_accept(int listener);

/// Whether accepting has failed for want of descriptors or memory: it is then to pause.
bool peer_is_shortage(int error);

/// Whether accepting has failed because there is no connection left.
bool peer_is_drained(int error);

/// How long accepting pauses in a shortage.
enum { peer_pause_milliseconds = 50 };

/// Prints what failed, and why, and ends the program.
void peer_fail(const char *what, int error) __attribute__((noreturn));

#ifdef __cplusplus
}
#endif
