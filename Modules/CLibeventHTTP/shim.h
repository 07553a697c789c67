#ifndef CLIBEVENTHTTP_SHIM_H
#define CLIBEVENTHTTP_SHIM_H

// Before any libevent header, for the reason that CLibevent/shim.h gives.
#include <sys/select.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>

#endif
