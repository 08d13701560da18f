/* "HOST:PORT" as a server's option gives it, and the listening socket for it. */
#ifndef SLUICE_BASE_HOST_PORT_H
#define SLUICE_BASE_HOST_PORT_H

#include "base/err.h"
#include "base/strbuf.h"

#include <stdbool.h>

struct host_port {
    char host[64]; /* IP address, without brackets */
    int port;      /* 0: any free one */
};

/* "127.0.0.1:9324", "[::1]:0", "localhost:80" (which is 127.0.0.1). `option` ("--listen") is for the error.
 * Returns 0, or -1 with err. */
int host_port_parse(const char *option, const char *text, struct host_port *ret, struct err *err);

/* A non-blocking, close-on-exec TCP socket that listens there; its port goes to ret_port. Returns the
 * descriptor, which the caller owns, or -1 with err that names the option. */
int host_port_listen(const char *option, const struct host_port *at, int *ret_port, struct err *err);

/* Whether the address is the machine's own: 127.0.0.0/8 or ::1. */
bool host_port_is_loopback(const struct host_port *at);
/* Appends "127.0.0.1:9400" or "[::1]:9400". */
void host_port_format(const char *host, int port, struct strbuf *out);

#endif
