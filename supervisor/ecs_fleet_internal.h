/* What the files of the ECS fleet share; not for others. */
#ifndef SLUICE_SUPERVISOR_ECS_FLEET_INTERNAL_H
#define SLUICE_SUPERVISOR_ECS_FLEET_INTERNAL_H

#include "base/loop.h"
#include "supervisor/ecs_fleet.h"
#include "supervisor/ecs_state.h"
#include "supervisor/ecs_stopping.h"

struct ecs_fleet {
    struct ecs_fleet_options options;
    struct ecs_state state;
    struct ecs_member *member;   /* owned; NULL before the start and after the stop */
    struct aws_call *update;     /* the one UpdateService under way */
    struct loop_timer timer;     /* something is due though nothing happens */
    struct loop_timer end_timer; /* on_empty comes in a turn of its own */
    struct ecs_stopping stopping;
    uint64_t random;
    bool stopped;
    bool warned_over_max;
    char autoscaling_text[256]; /* what the check for Application Auto Scaling found, or why it failed */
};

void ecs_fleet_observe(void *fleet, int64_t now_ms, struct observation *obs);
void ecs_fleet_write_status(void *fleet, int64_t now_ms, struct jsonw *w);

/* ECS's own words for why tasks do not start, "" when it has none. */
const char *ecs_fleet_failure_text(const struct ecs_fleet *fleet);

#endif
