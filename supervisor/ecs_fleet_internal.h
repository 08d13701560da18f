/* What the files of the ECS fleet share; not for others. */
#ifndef SLUICE_SUPERVISOR_ECS_FLEET_INTERNAL_H
#define SLUICE_SUPERVISOR_ECS_FLEET_INTERNAL_H

#include "base/loop.h"
#include "supervisor/ecs_fleet.h"
#include "supervisor/ecs_protect.h"
#include "supervisor/ecs_state.h"
#include "supervisor/ecs_stopping.h"

struct ecs_fleet {
    struct ecs_fleet_options options;
    struct ecs_state state;
    struct ecs_member *member;   /* owned; NULL before the start and after the stop */
    struct aws_call *update;     /* the one UpdateService under way */
    struct ecs_turn turn;        /* it waits for the limiter */
    struct loop_timer timer;     /* something is due though nothing happens */
    struct loop_timer end_timer; /* on_empty comes in a turn of its own */
    struct ecs_stopping stopping;
    uint64_t random;
    bool stopped;
    bool warned_over_max;
    struct task_account tasks; /* what they tell by HTTP */
    struct ecs_protect protect;
    struct ecs_protect_verdict verdict; /* on the lower count that is wanted now */
    struct aws_call *protect_call;      /* the one UpdateTaskProtection under way */
    struct loop_timer protect_timer;
    bool protect_soon; /* armed for what POSTs brought */
    bool verdict_said, late_said;
    bool kept_up;               /* ECS keeps more tasks than desired, and it was said */
    char autoscaling_text[256]; /* what the check for Application Auto Scaling found, or why it failed */
};

void ecs_fleet_observe(void *fleet, int64_t now_ms, struct observation *obs);
void ecs_fleet_write_status(void *fleet, int64_t now_ms, struct jsonw *w);

/* Does what is to be done next. */
void ecs_fleet_pump(struct ecs_fleet *fleet);

/* ---- ecs_fleet_protect.c ---- */

void ecs_fleet_protect_init(struct ecs_fleet *fleet);
void ecs_fleet_protect_stop(struct ecs_fleet *fleet);
void ecs_fleet_protect_clean_up(struct ecs_fleet *fleet);
/* Protects and gives back what is due. */
void ecs_fleet_protect_step(struct ecs_fleet *fleet);
/* Whether a desired count below the present one may be written now: *desired becomes the least that may.
 * Otherwise the fleet's timer is armed for another look. */
bool ecs_fleet_may_lower(struct ecs_fleet *fleet, int64_t *desired);
/* After every change of what is wanted. */
void ecs_fleet_note_order(struct ecs_fleet *fleet);
/* Whether ECS keeps more tasks than desired because some are protected. */
bool ecs_fleet_is_kept_up(const struct ecs_fleet *fleet, const struct task_view *view, int64_t now_ms);
void ecs_fleet_watch_kept_up(struct ecs_fleet *fleet);
enum task_post ecs_fleet_take_telemetry(void *fleet, const char *body, size_t len);

/* ECS's own words for why tasks do not start, "" when it has none. */
const char *ecs_fleet_failure_text(const struct ecs_fleet *fleet);

#endif
