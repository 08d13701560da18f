/* Asks a running supervisor over its admin socket. Blocking. */
#ifndef SLUICE_SUPERVISOR_ADMIN_CLIENT_H
#define SLUICE_SUPERVISOR_ADMIN_CLIENT_H

#include "base/err.h"
#include "base/strbuf.h"

/* GET http path over the unix socket; the body of a 200 is appended to out. Waits at most 10 s of real time.
 * Returns 0, or -1 with err when nobody answers or the answer is another one. */
int admin_client_get(const char *socket_path, const char *path, struct strbuf *out, struct err *err);

#endif
