/* Between the two halves of the HTTP server: connections (status_server.c) and requests (status_request.c).
 */
#ifndef SLUICE_BASE_STATUS_SERVER_INTERNAL_H
#define SLUICE_BASE_STATUS_SERVER_INTERNAL_H

#include "base/status_server.h"

struct evhttp_request;

/* Finds the route, calls its handler and sends the answer. `token` NULL: none is needed. */
void status_server_answer(struct evhttp_request *request, const struct status_server_options *options,
                          const char *token);

#endif
