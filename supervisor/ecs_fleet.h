/*
 * A fleet whose workers are the tasks of an ECS service: looks at the service with the others of its client
 * (ecs_pool.h), keeps its desired count (the rules are ecs_state.h's), and tells what there is. Tasks are
 * ECS's own to start and stop; when the supervisor ends they stay as they are. Belongs to the loop's thread.
 */
#ifndef SLUICE_SUPERVISOR_ECS_FLEET_H
#define SLUICE_SUPERVISOR_ECS_FLEET_H

#include "policies/policy.h"
#include "supervisor/config.h"
#include "supervisor/ecs_pool.h"
#include "supervisor/fleet_ops.h"

#include <stdint.h>

struct event_base;
struct ecs_fleet;

struct ecs_fleet_options {
    struct event_base *base;
    struct ecs_pool *pool;
    const char *name;
    const struct config_ecs *config; /* outlives the fleet */
    struct capacity capacity;
    struct policy_timing timing;
    int64_t telemetry_stale_ms; /* product: a worker silent for so long is unknown; -1: nobody listens */
    uint64_t seed;
    /* The service's desired count is not what was ordered: `desired` is the new base. Returns what the
     * controller made of it. is_drift: a foreign writer did it; otherwise there was no saved state. */
    int64_t (*on_base)(void *arg, int64_t desired, bool is_drift);
    void (*on_empty)(void *arg); /* in the loop, after a stop */
    void *arg;
};

struct ecs_fleet *ecs_fleet_new(const struct ecs_fleet_options *options);

/* Its functions take what ecs_fleet_new() returned. */
extern const struct fleet_ops ECS_FLEET_OPS;

#endif
