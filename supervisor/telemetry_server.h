/*
 * Where workers that have no socket to us POST their telemetry: POST /v1/telemetry/FLEET with lines of the
 * worker contract (ARCHITECTURE.md, "Contracts"), answered with control lines for the worker. Its own address
 * and token: it is for workers, not for operators. Belongs to the loop's thread.
 */
#ifndef SLUICE_SUPERVISOR_TELEMETRY_SERVER_H
#define SLUICE_SUPERVISOR_TELEMETRY_SERVER_H

#include "base/err.h"
#include "base/jsonw.h"
#include "supervisor/config.h"

#include <stddef.h>

struct event_base;
struct telemetry_server;

enum telemetry_answer {
    TELEMETRY_ANSWER_TAKEN,
    TELEMETRY_ANSWER_BAD,      /* no ready line */
    TELEMETRY_ANSWER_TOO_MANY, /* workers */
    TELEMETRY_ANSWER_NO_FLEET, /* none of that name that takes telemetry by HTTP */
    TELEMETRY_ANSWER_MAX
};

/* Takes one POST for the fleet called `fleet`. */
typedef enum telemetry_answer telemetry_post_fn(void *arg, const char *fleet, const char *body, size_t len);

/* Whether the token can be read: what "sluice check" asks beyond the file itself. Returns 0, or -1 with err.
 */
int telemetry_server_check(const struct config *config, struct err *err);

/* Listens as config->telemetry says, which outlives the server. NULL with err: the address cannot be listened
 * on, the token cannot be read. */
struct telemetry_server *telemetry_server_new(struct event_base *base, const struct config *config,
                                              telemetry_post_fn *post, void *arg, struct err *err);
/* Accepts NULL. */
void telemetry_server_destroy(struct telemetry_server *server);

/* Writes one object: port, and what was answered how often. */
void telemetry_server_write_status(const struct telemetry_server *server, struct jsonw *w);

#endif
