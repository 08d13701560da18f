/*
 * A fleet of worker processes on this host: keeps as many slots as are desired, starts and condemns them,
 * sums up what they say. Belongs to the loop's thread, which must be the main thread (the fork recipe wants
 * that).
 */
#ifndef SLUICE_SUPERVISOR_LOCAL_FLEET_H
#define SLUICE_SUPERVISOR_LOCAL_FLEET_H

#include "base/jsonw.h"
#include "policies/observation.h"
#include "supervisor/config.h"
#include "supervisor/fleet_ops.h"
#include "supervisor/orphans.h"
#include "supervisor/reaper.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct local_fleet;

struct local_fleet_options {
    struct event_base *base;
    struct reaper *reaper;
    struct orphans *orphans; /* their names are not used again while they live; not owned */
    const char *state_dir;
    const char *name;
    const struct config_local *config; /* outlives the fleet */
    const char *region;                /* of the worker's environment; NULL: as inherited */
    const char *endpoint_url;          /* likewise */
    uint64_t seed;                     /* of the restart jitter */
    void (*on_empty)(void *arg);       /* in the loop, when the last slot of a stopped fleet is gone */
    void *arg;
};

struct local_fleet *local_fleet_new(const struct local_fleet_options *options);
/* Workers that still run are left to drain by themselves. Accepts NULL. */
void local_fleet_destroy(struct local_fleet *fleet);

/* Workers need to know their queue: none is started before this is set. Copied. */
void local_fleet_set_queue_url(struct local_fleet *fleet, const char *queue_url);

/* Makes it so: starts slots, or condemns the least busy ones. Forks happen within the call, up to
 * LOCAL_FLEET_BURST of them; the rest follows in the next turns of the loop. Draining workers come on top. */
enum { LOCAL_FLEET_BURST = 32 };
void local_fleet_set_desired(struct local_fleet *fleet, int64_t desired);

/* Drains the whole fleet for good; on_empty comes at its end (also when there is nothing to drain). */
void local_fleet_stop(struct local_fleet *fleet);
/* Kills what still drains. */
void local_fleet_hurry(struct local_fleet *fleet);

/* Writes the workers' records anew, into a state folder that has lost them. */
void local_fleet_write_records(const struct local_fleet *fleet);
/* From now on no record is written or removed: the folder is somebody else's. */
void local_fleet_disown(struct local_fleet *fleet);

struct local_fleet_counts {
    int64_t desired;
    int64_t ready;    /* said ready and not condemned */
    int64_t starting; /* on their way, and likely to arrive */
    int64_t stopping; /* draining or being killed after the drain */
    int64_t backoff;  /* places without capacity: waiting for a restart, being replaced, or crash-looping */
    int64_t crash_looping; /* of these, failed at least three times in a row */
    int64_t undead;        /* killed, and still there */
    int64_t restarts;      /* since the fleet was made */
};
void local_fleet_get_counts(const struct local_fleet *fleet, struct local_fleet_counts *ret_counts);

/* Fills in what the workers told; see policies/observation.h. A fleet without telemetry leaves the busy and
 * counter fields unknown. */
void local_fleet_observe(const struct local_fleet *fleet, int64_t now_ms, struct observation *obs);

/* Writes the members "desired" to "workers", "totals" and "times" into the object that w is in. */
void local_fleet_write_status(const struct local_fleet *fleet, int64_t now_ms, struct jsonw *w);

/* All of this as a table; its functions take what local_fleet_new() returned. */
extern const struct fleet_ops LOCAL_FLEET_OPS;

#endif
