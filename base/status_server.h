/*
 * A small HTTP/1.1 server (libevent's evhttp) for what a program tells about itself: GET of fixed paths, on a
 * socket that the caller made. Requests are bounded in size and time; when descriptors run short, connections
 * wait in the backlog: who asks may not take what the program needs. Belongs to the loop's thread.
 */
#ifndef SLUICE_BASE_STATUS_SERVER_H
#define SLUICE_BASE_STATUS_SERVER_H

#include "base/strbuf.h"

struct event_base;
struct status_server;

/* A GET path and who answers it: appends the body to `out`. */
struct status_route {
    const char *path;         /* "/v1/status"; NULL ends a table */
    const char *content_type; /* NULL: application/json */
    void (*fn)(void *arg, struct strbuf *out);
};

/* Serves on fd, which it takes over. `name` ("admin socket") is for the log; it and the routes outlive the
 * server. While fewer than fds_kept_free descriptors are left to the process (its own connections, pipes and
 * files need them), one connection a second is taken. Aborts when out of memory. */
struct status_server *status_server_new(struct event_base *base, int fd, const char *name, int fds_kept_free,
                                        const struct status_route *routes, void *arg);
/* Closes the socket and all connections. Accepts NULL. */
void status_server_destroy(struct status_server *server);

#endif
