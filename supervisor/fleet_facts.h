/*
 * What /metrics and /readyz are made of: the values of one moment, of one fleet and of the supervisor as a
 * whole. Plain data. A value that nobody knows is FACT_UNKNOWN and is left out: missing is not zero.
 */
#ifndef SLUICE_SUPERVISOR_FLEET_FACTS_H
#define SLUICE_SUPERVISOR_FLEET_FACTS_H

#include "policies/decision.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FACT_UNKNOWN INT64_MIN

struct aws_operation_stats;

struct fleet_facts {
    const char *name;
    /* Age of the newest reading of the queue, kept while later requests fail; and how old it may become. */
    int64_t data_age_ms, stale_after_ms;

    int64_t visible, in_flight, delayed, oldest_age_ms;
    int64_t sensor_errors;
    int64_t desired, ready, starting, stopping, busy, waiting, orphans;
    int64_t min, target, max;
    int64_t completed, failed; /* of all workers that ever ran */
    int64_t decisions, grown, shrunk;
    int64_t out_held, in_held; /* 1: the fleet itself is against growing, or shrinking */
    int64_t overridden;        /* 1: by an operator */
    int64_t journal_failures, state_failures;
    uint64_t whys[DECISION_WHY_COUNT]; /* decisions by reason */
};

/* Of two supervisors of the same fleets, one leads. */
enum supervisor_role { SUPERVISOR_LEADER, SUPERVISOR_FOLLOWER };

struct supervisor_facts {
    enum supervisor_role role;
    bool draining;
    int64_t started_wall_ms;    /* epoch, real */
    int64_t heartbeat_age_ms;   /* real: since the event loop last ran its timers */
    struct fleet_facts *fleets; /* owned */
    size_t fleet_count;
    struct aws_operation_stats *operations; /* owned: of all clients together */
    int64_t strangers_reaped, state_dir_losses, log_dropped;
};

#endif
