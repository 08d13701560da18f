/* The paths /_localaws/...: faults and statistics, for tests and benchmarks. Unsigned. */
#ifndef SLUICE_LOCALAWS_ADMIN_H
#define SLUICE_LOCALAWS_ADMIN_H

#include "localaws/service.h"

/* True when the request was for one of these paths or for the health check, and has been answered. */
bool admin_serve(struct service *service, struct http_conn *conn, const struct http_request *request);

#endif
