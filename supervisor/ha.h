/*
 * One of two supervisors in DynamoDB: the calls around the lease (lease.h), and the state that the leader
 * keeps in the table for its successor. Belongs to the loop's thread. All waits are real time.
 *
 * The table has a partition key "id" of type string. Items: the lease under the configured key (owner, rvn,
 * lease_ms, token), and for each fleet KEY/fleet/NAME (fence, state: the text of state_file.h, owner,
 * saved_ms). A new leader raises the fence of every fleet's item to its token and gets the state with the
 * same call; each save demands that the fence still is its token. So a save of an earlier leader that comes
 * late is refused, and whoever is refused knows that it leads no longer.
 *
 * The life of a leadership: on_state for each fleet (start it), then, when it is lost, on_lost (stop them
 * all); the owner calls ha_set_ready() when they have come to rest, and only then it may lead again.
 */
#ifndef SLUICE_SUPERVISOR_HA_H
#define SLUICE_SUPERVISOR_HA_H

#include "base/err.h"
#include "base/jsonw.h"
#include "supervisor/config.h"

#include <stdbool.h>
#include <stddef.h>

struct aws_credentials_provider;
struct event_base;
struct ha;

struct ha_options {
    struct event_base *base;
    const struct config *config; /* with ha.type HA_DYNAMODB; outlives it */
    struct aws_credentials_provider *credentials;
    void (*on_lead)(void *arg); /* we lead now; the states come next */
    /* The state of config->fleets[fleet] that was kept, NULL: none yet. Once a fleet and leadership. */
    void (*on_state)(void *arg, size_t fleet, const char *text);
    void (*on_lost)(void *arg, const char *why);
    void (*on_retired)(void *arg); /* after ha_retire() */
    void *arg;
};

/* Makes the client and checks what can be checked without a call. Returns 0, or -1 with err. */
int ha_new(const struct ha_options *options, struct ha **ret_ha, struct err *err);
void ha_destroy(struct ha *ha); /* accepts NULL; the lease is left as it is */

/* Begins to watch the lease. */
void ha_start(struct ha *ha);

/* What we led has come to rest: we may lead again. */
void ha_set_ready(struct ha *ha);

/* Whether we lead at this moment, by the clock that counts suspension. Cheap: asked before every decision and
 * every write to AWS. */
bool ha_may_act(const struct ha *ha);

/* Keeps a fleet's state (copied) for a successor: now, or when the save before it is done. One that fails is
 * tried again with the next renewal of the lease unless a newer one comes. Returns why the last save that was
 * answered failed (valid until the next turn of the loop), NULL when it did not. */
const char *ha_keep(struct ha *ha, size_t fleet, const char *text);

/* Ends our part, once nothing that we asked of AWS is under way: waits for saves, gives the lease back, then
 * calls on_retired, at the latest after some timeouts. */
void ha_retire(struct ha *ha);

/* Writes members into the object that w is in: owner, token, lease and shared state with their ages and
 * failures. */
void ha_write_status(const struct ha *ha, struct jsonw *w);
const char *ha_role(const struct ha *ha); /* "follower", "candidate", "leader", "leaving", "over" */

#endif
