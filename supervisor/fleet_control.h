/*
 * One fleet under control: its sensor, controller, workers, journal and state file, wired together. At every
 * poll it takes an observation, steps the controller, writes the decision down and makes it so.
 */
#ifndef SLUICE_SUPERVISOR_FLEET_CONTROL_H
#define SLUICE_SUPERVISOR_FLEET_CONTROL_H

#include "base/jsonw.h"
#include "supervisor/config.h"
#include "supervisor/fleet_facts.h"
#include "supervisor/orphans.h"
#include "supervisor/reaper.h"
#include "supervisor/telemetry_server.h"

#include <stdbool.h>
#include <stdint.h>

struct aws_client;
struct cw_pool;
struct ecs_pool;
struct event_base;
struct fleet_control;
struct call_gate;
struct polls_shared;

enum {
    FLEET_CONTROL_RUNS = 32,    /* of decisions alike that are kept in memory */
    FLEET_CONTROL_CHANGES = 16, /* decisions that changed something, likewise */
};

struct fleet_control_options {
    struct event_base *base;
    struct reaper *reaper;
    struct orphans *orphans;
    struct aws_client *client;
    struct call_gate *gate;      /* of that client */
    struct polls_shared *polls;  /* of all fleets */
    struct ecs_pool *pool;       /* of that client; NULL for a fleet that is none of ECS's */
    struct cw_pool *cw_pool;     /* likewise; NULL for a fleet whose "cloudwatch" is off */
    const struct config *config; /* outlives the fleet */
    const struct config_fleet *fleet;
    uint64_t seed;
    double phase; /* 0 to 1: this fleet's place among all, so that polls and saves of many do not coincide */
    bool (*owns_state_dir)(void *arg); /* asked before every save; NULL: always */
    /* Of two supervisors the one that leads: whether we (still) do, asked before every decision; NULL:
     * always.
     */
    bool (*may_act)(void *arg);
    /* Takes the state for a successor on another host instead of the state file; NULL: the file. The text is
     * copied. Returns why the last one could not be kept (valid until the next turn of the loop), or NULL. */
    const char *(*keep_state)(void *arg, const struct config_fleet *fleet, const char *text);
    int64_t keep_every_ms;       /* product; with keep_state: between two saves without a change */
    void (*on_empty)(void *arg); /* the drain that fleet_control_stop() began is over */
    void *arg;
};

struct fleet_control *fleet_control_new(const struct fleet_control_options *options);
void fleet_control_destroy(struct fleet_control *control); /* accepts NULL */

/* Whether fleet_control_start() has been called. */
bool fleet_control_is_started(const struct fleet_control *control);

/* Restores the state of an earlier supervisor, starts the workers it had (an ECS service still has them), and
 * begins to poll. With keep_state, kept is what the predecessor kept, NULL: nothing; without it the state
 * file is read. Once: later calls do nothing. */
void fleet_control_start(struct fleet_control *control, const char *kept);

/* Stops deciding, saves the state with desired as it is, and drains all workers of this host; those of an ECS
 * service stay as they are. One that was never started leaves its files alone. */
void fleet_control_stop(struct fleet_control *control);

/* Whether a change that was asked of somebody else (UpdateService) is still under way. */
bool fleet_control_is_writing(const struct fleet_control *control);

/* The state folder was deleted and is made anew: writes everything that belongs there. */
void fleet_control_renew_files(struct fleet_control *control);
/* The state folder has another owner now: nothing is written to it any more, and nothing removed from it. */
void fleet_control_disown(struct fleet_control *control);

/* Takes what one worker of this fleet POSTed; a fleet whose workers have a channel of their own knows none
 * (NO_FLEET). */
enum telemetry_answer fleet_control_take_telemetry(struct fleet_control *control, const char *body,
                                                   size_t len);

/* Kills what still drains. */
void fleet_control_hurry(struct fleet_control *control);

/* What came of an operator's order. */
struct fleet_control_ordered {
    struct override made;     /* the order, with its times */
    struct override replaced; /* what was in force before it; kind OVERRIDE_NONE: nothing */
    struct decision decision; /* the step that followed at once */
    struct err save_error;    /* text "": the state is on the disk; else a restart forgets the order */
};

/* Gives an operator's order to the fleet, in the journal, in the log and in the state file, and takes a step
 * at once. Returns 0; or -1 with err, nothing changed, when the fleet refuses it. */
int fleet_control_override(struct fleet_control *control, const struct override_order *order,
                           struct fleet_control_ordered *ret_ordered, struct err *err)
    __attribute__((warn_unused_result));

/* As in the configuration. */
const char *fleet_control_name(const struct fleet_control *control);

/* Writes GET /v1/explain: the newest `last` runs of decisions, and all changes that are kept
 * (decision_ring.h). */
void fleet_control_write_explain(const struct fleet_control *control, size_t last, int64_t now_ms,
                                 struct jsonw *w);

/* What is known of the fleet now, for metrics and readiness. The name is the configuration's. */
void fleet_control_get_facts(const struct fleet_control *control, int64_t now_ms, struct fleet_facts *ret);

/* Writes the fleet's object of GET /v1/status. */
void fleet_control_write_status(const struct fleet_control *control, int64_t now_ms, struct jsonw *w);

#endif
