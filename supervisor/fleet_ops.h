/*
 * What the control loop asks of a fleet, whatever its workers are: processes of this host (local_fleet.h) or
 * tasks of an ECS service (ecs_fleet.h). `fleet` is what the fleet's own constructor returned. An entry of
 * NULL does nothing.
 */
#ifndef SLUICE_SUPERVISOR_FLEET_OPS_H
#define SLUICE_SUPERVISOR_FLEET_OPS_H

#include "base/jsonw.h"
#include "policies/observation.h"
#include "supervisor/task_account.h"

#include <stdbool.h>
#include <stdint.h>

struct fleet_ops {
    const char *type; /* as in the configuration */
    void (*destroy)(void *fleet);
    /* The fleet begins. desired: of the controller; is_restored: it comes from a saved state, and is not just
     * min. */
    void (*start)(void *fleet, int64_t desired, bool is_restored);
    void (*set_queue_url)(void *fleet, const char *queue_url);
    /* A decision: makes it so. */
    void (*set_desired)(void *fleet, int64_t desired);
    /* Ends the fleet's part; its on_empty comes when all that must end has ended. */
    void (*stop)(void *fleet);
    /* Whether a change that was asked of somebody else is still under way: a successor must not begin yet. */
    bool (*is_writing)(void *fleet);
    void (*hurry)(void *fleet);
    void (*write_records)(void *fleet);
    void (*disown)(void *fleet);
    /* Takes what one worker POSTed; NULL: this fleet's workers have a channel of their own. */
    enum task_post (*take_telemetry)(void *fleet, const char *body, size_t len);
    /* Fills in the worker part of an observation. */
    void (*observe)(void *fleet, int64_t now_ms, struct observation *obs);
    /* Writes members ("desired" ...) into the object that w is in. */
    void (*write_status)(void *fleet, int64_t now_ms, struct jsonw *w);
};

#endif
