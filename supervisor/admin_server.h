/*
 * The admin socket: HTTP/1.1 with JSON on a unix socket of mode 0660. Belongs to the loop's thread.
 */
#ifndef SLUICE_SUPERVISOR_ADMIN_SERVER_H
#define SLUICE_SUPERVISOR_ADMIN_SERVER_H

#include "base/err.h"
#include "base/status_server.h"

#include <stdbool.h>

struct event_base;
struct admin_server;

/* Listens on `path`; the routes outlive the server. A socket that is left over is replaced when nobody
 * answers on it. Returns 0; -EBUSY when somebody does, another negative errno otherwise, with err. */
int admin_server_new(struct event_base *base, const char *path, const struct status_route *routes, void *arg,
                     struct admin_server **ret_server, struct err *err);
/* The same on fd, a unix socket that listens already and that somebody else made (systemd): it is taken over,
 * and its path is left alone. */
struct admin_server *admin_server_adopt(struct event_base *base, int fd, const struct status_route *routes,
                                        void *arg);
/* Whether the socket at the path is still ours; false when somebody deleted or replaced it. Of one that was
 * adopted: true. */
bool admin_server_is_linked(const struct admin_server *server);
/* Closes the socket, and removes it unless it was adopted. Accepts NULL. */
void admin_server_destroy(struct admin_server *server);

#endif
