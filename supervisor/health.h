/*
 * Whether the supervisor is alive and ready, with reasons; the answers to /healthz and /readyz. Pure.
 *
 * Alive: its event loop turns. Ready: it leads, is not draining, and has fresh data of enough of its fleets.
 * A supervisor that is not ready is in order, and must not be restarted for it; one that is not alive must.
 */
#ifndef SLUICE_SUPERVISOR_HEALTH_H
#define SLUICE_SUPERVISOR_HEALTH_H

#include "base/strbuf.h"
#include "supervisor/fleet_facts.h"

#include <stdbool.h>

/* A loop whose timers have not run for so long (real time) is stuck: nothing it does may take a tenth. */
enum { HEALTH_HEARTBEAT_MAX_MS = 10000 };

/* Whether a fleet's newest reading is there and at most as old as its stale_after (controller.h). */
bool health_fleet_is_fresh(const struct fleet_facts *fleet);

/* Each appends a JSON object and a newline, and returns the HTTP status, 200 or 503:
 * {"status":"ok","heartbeat_age_ms":12}, or {"status":"stuck",...,"reasons":["..."]};
 * {"status":"ready","role":"leader","fleets":3,"fleets_fresh":3}, or {"status":"not ready",...,
 * "reasons":["fleet orders: ..."]}. Of many reasons the first 100 are told. fresh_share (0..1): the part of
 * all fleets that must have fresh data; rounded up. */
int health_write_alive(const struct supervisor_facts *facts, struct strbuf *out);
int health_write_ready(const struct supervisor_facts *facts, double fresh_share, struct strbuf *out);

#endif
