#ifndef CLIBEVENT_SHIM_H
#define CLIBEVENT_SHIM_H

// Before any libevent header: event-config.h defines _GNU_SOURCE, after which fd_set has other
// field names than in the modules that include it without, and a file that sees both cannot compile.
#include <sys/select.h>

#include <event2/event.h>

#endif
