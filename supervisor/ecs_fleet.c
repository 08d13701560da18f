/* An ECS service as a fleet: calls and words around the rules of ecs_state.h; see ecs_fleet.h. */
#include "supervisor/ecs_fleet.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "supervisor/ecs_fleet_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FRESH_INTERVALS = 3,       /* facts older than so many intervals are stale */
    CHECK_AGAIN_MS = 10000,    /* after a failed check for Application Auto Scaling */
    CHECK_LATER_MS = 60000,    /* after it was given up: what fails may pass, and a second scaler be there */
    CHECK_REFUSED_MS = 300000, /* a refused service is asked about again: its owner may have mended it */
};

static void say_end(struct ecs_fleet *fleet);

/* ---- UpdateService ---- */

static void on_updated(void *arg, const struct aws_result *result, const struct ecs_service *services,
                       size_t count, const struct ecs_failure *failures, size_t failure_count)
{
    struct ecs_fleet *fleet = arg;
    struct ecs_state *state = &fleet->state;
    char text[512];
    (void)failures;
    (void)failure_count;
    fleet->update = NULL;
    ecs_pool_tell(fleet->options.pool, ECS_API_SERVICE_MODIFY, result);
    if (result->kind == AWS_KIND_OK) {
        if (state->writes_failed_in_a_row > 0)
            LOG(LOG_INFO, "the service's desired count can be set again",
                LOG_STR("fleet", fleet->options.name));
        ecs_state_written(state, count > 0 ? services[0].desired : -1, clock_product_ms());
    } else {
        (void)aws_result_text(result, "UpdateService", text, sizeof text);
        if (state->writes_failed_in_a_row == 0)
            LOG(LOG_ERROR, "cannot set the service's desired count, trying again",
                LOG_STR("fleet", fleet->options.name), LOG_INT("desired", state->writing_desired),
                LOG_STR("error", text));
        ecs_state_write_failed(state, result->kind, text, random_unit(&fleet->random), clock_product_ms());
    }
    if (fleet->stopped)
        say_end(fleet);
    ecs_fleet_pump(fleet);
}

static void write_desired(struct ecs_fleet *fleet, int64_t desired)
{
    const struct config_ecs *config = fleet->options.config;
    int64_t from = fleet->state.desired;
    if (!ecs_pool_take_in_turn(fleet->options.pool, ECS_API_SERVICE_MODIFY, &fleet->turn))
        return;
    bool reassertion = ecs_state_write_began(&fleet->state, desired, clock_product_ms());
    if (reassertion)
        LOG(LOG_WARNING, "writing the desired count again over a foreign one (on_drift: reassert)",
            LOG_STR("fleet", fleet->options.name), LOG_INT("foreign", from), LOG_INT("desired", desired));
    fleet->update = ecs_update_desired(ecs_pool_client(fleet->options.pool), config->cluster, config->service,
                                       desired, on_updated, fleet);
}

void ecs_fleet_pump(struct ecs_fleet *fleet)
{
    if (fleet->stopped || fleet->member == NULL)
        return;
    struct ecs_action action = ecs_state_next(&fleet->state, clock_product_ms());
    ecs_fleet_note_order(fleet);
    ecs_fleet_protect_step(fleet);
    if (action.look)
        ecs_member_look(fleet->member);
    if (action.write &&
        (action.desired >= fleet->state.desired || ecs_fleet_may_lower(fleet, &action.desired)))
        write_desired(fleet, action.desired);
    else if (!action.write && action.wake_ms >= 0)
        loop_timer_arm_product_ms(&fleet->timer, action.wake_ms);
}

static void on_timer(void *arg)
{
    ecs_fleet_pump(arg);
}

/* ---- what looks and checks bring ---- */

const char *ecs_fleet_failure_text(const struct ecs_fleet *fleet)
{
    const struct ecs_facts *facts = &fleet->state.facts;
    return facts->event[0] != '\0'              ? facts->event
           : fleet->stopping.failure[0] != '\0' ? fleet->stopping.failure
                                                : facts->rollout_text;
}

static void tell_news(const struct ecs_fleet *fleet, const struct ecs_seen *seen)
{
    const char *name = fleet->options.name;
    const struct ecs_state *state = &fleet->state;
    if (seen->first && state->known)
        LOG(LOG_INFO, "found the ECS service", LOG_STR("fleet", name),
            LOG_STR("service", fleet->options.config->service),
            LOG_INT("desired_count", state->facts.desired), LOG_INT("running_count", state->facts.running));
    if (seen->refused)
        LOG(LOG_ERROR, "this ECS service cannot be scaled: holding", LOG_STR("fleet", name),
            LOG_STR("service", fleet->options.config->service), LOG_STR("error", state->refusal));
    if (seen->failing)
        LOG(LOG_ERROR, "the service's tasks do not start: no further growth until one does",
            LOG_STR("fleet", name), LOG_INT("desired_count", state->facts.desired),
            LOG_INT("running_count", state->facts.running),
            LOG_INT("failed_tasks", state->facts.failed_tasks),
            LOG_STR("reason", ecs_fleet_failure_text(fleet)));
    if (seen->recovered)
        LOG(LOG_INFO, "the service's tasks start again", LOG_STR("fleet", name));
    if (seen->missing)
        LOG(LOG_ERROR, "there is no such ECS service (MISSING): holding", LOG_STR("fleet", name),
            LOG_STR("cluster", fleet->options.config->cluster),
            LOG_STR("service", fleet->options.config->service));
    if (seen->drift)
        LOG(LOG_WARNING, "somebody else has set the service's desired count", LOG_STR("fleet", name),
            LOG_INT("from", seen->from), LOG_INT("to", seen->to),
            LOG_STR("on_drift", seen->rebase ? "adopt" : "reassert"));
}

static void take_base(struct ecs_fleet *fleet, const struct ecs_seen *seen)
{
    int64_t made = fleet->options.on_base(fleet->options.arg, seen->base, seen->drift);
    ecs_state_rebased(&fleet->state, made, clock_product_ms());
}

/* Said once, until it is over. */
static void watch_max(struct ecs_fleet *fleet)
{
    bool over = ecs_state_is_over_max(&fleet->state);
    if (over && !fleet->warned_over_max)
        LOG(LOG_WARNING, "the service's desired count is above max: left so until the policy shrinks",
            LOG_STR("fleet", fleet->options.name), LOG_INT("desired_count", fleet->state.desired),
            LOG_INT("max", fleet->state.rules.max));
    fleet->warned_over_max = over;
}

/* Tasks stop after a shrink and in a rollout; counting them is worth calls only then, or to learn why some
 * fail. */
static bool may_have_stopping(const struct ecs_fleet *fleet)
{
    const struct ecs_state *state = &fleet->state;
    return !fleet->stopping.known || fleet->stopping.count > 0 || state->facts.rollout ||
           state->failing != ECS_STARTS_WELL || state->facts.running > state->facts.desired ||
           (state->written_ms != INT64_MIN && state->written_ms >= fleet->stopping.at_ms) ||
           state->drift_ms >= fleet->stopping.at_ms;
}

static void note_look_failed(struct ecs_fleet *fleet, const char *text)
{
    if (fleet->state.looks_failed == 0)
        LOG(LOG_WARNING, "cannot describe the ECS service; no shrink until it can be",
            LOG_STR("fleet", fleet->options.name), LOG_STR("error", text));
    ecs_state_look_failed(&fleet->state, text);
}

static void on_look(void *arg, const struct aws_result *result, const struct ecs_service *service,
                    const char *reason, int64_t asked_ms)
{
    struct ecs_fleet *fleet = arg;
    struct ecs_seen seen = {.first = false};
    struct ecs_facts facts;
    char text[512];
    if (result->kind != AWS_KIND_OK) {
        note_look_failed(fleet, aws_result_text(result, "DescribeServices", text, sizeof text));
    } else if (service != NULL && ecs_facts_of(service, &facts)) {
        if (fleet->state.looks_failed > 0)
            LOG(LOG_INFO, "the ECS service can be described again", LOG_STR("fleet", fleet->options.name),
                LOG_INT("failures", fleet->state.looks_failed));
        ecs_state_described(&fleet->state, &facts, asked_ms, clock_product_ms(), &seen);
        if (may_have_stopping(fleet))
            ecs_stopping_count(&fleet->stopping);
    } else if (strcmp(reason, "MISSING") == 0) {
        ecs_state_missing(&fleet->state, clock_product_ms(), &seen);
    } else {
        (void)snprintf(text, sizeof text, "DescribeServices: the answer lacks %s%s%s",
                       service != NULL ? "the service's counts" : "the service",
                       reason[0] != '\0' ? ": " : "", reason);
        note_look_failed(fleet, text);
    }
    tell_news(fleet, &seen);
    if (seen.rebase)
        take_base(fleet, &seen);
    watch_max(fleet);
    ecs_fleet_watch_kept_up(fleet);
    ecs_fleet_pump(fleet);
}

static enum ecs_autoscaling judge_check(const struct aws_result *result,
                                        const struct autoscaling_target *target)
{
    if (result->kind == AWS_KIND_OK)
        return target == NULL                            ? ECS_AUTOSCALING_NONE
               : autoscaling_target_is_suspended(target) ? ECS_AUTOSCALING_SUSPENDED
                                                         : ECS_AUTOSCALING_ACTS;
    /* An endpoint that does not know the service, or a role without the permission, will not change its mind.
     */
    return result->kind == AWS_KIND_THROTTLED || result->kind == AWS_KIND_TRANSIENT ||
                   result->kind == AWS_KIND_CREDENTIALS
               ? ECS_AUTOSCALING_UNKNOWN
               : ECS_AUTOSCALING_UNCHECKED;
}

static void on_check(void *arg, const struct aws_result *result, const struct autoscaling_target *target)
{
    struct ecs_fleet *fleet = arg;
    enum ecs_autoscaling answer = judge_check(result, target);
    enum ecs_autoscaling before = fleet->state.autoscaling;
    char text[512];
    fleet->autoscaling_text[0] = '\0';
    if (result->kind != AWS_KIND_OK)
        (void)snprintf(fleet->autoscaling_text, sizeof fleet->autoscaling_text, "%s",
                       aws_result_text(result, "DescribeScalableTargets", text, sizeof text));
    else if (target != NULL)
        (void)snprintf(fleet->autoscaling_text, sizeof fleet->autoscaling_text,
                       "a scalable target, %" PRId64 " to %" PRId64 " tasks%s", target->min_capacity,
                       target->max_capacity, answer == ECS_AUTOSCALING_SUSPENDED ? ", suspended" : "");
    struct ecs_seen seen = {.refused = ecs_state_autoscaling(&fleet->state, answer, clock_product_ms())};
    tell_news(fleet, &seen);
    if (fleet->state.autoscaling == ECS_AUTOSCALING_UNCHECKED && before != ECS_AUTOSCALING_UNCHECKED)
        LOG(LOG_WARNING, "cannot tell whether Application Auto Scaling scales the service, too: going on",
            LOG_STR("fleet", fleet->options.name), LOG_STR("error", fleet->autoscaling_text));
    if (fleet->state.autoscaling == ECS_AUTOSCALING_UNKNOWN)
        ecs_member_check(fleet->member, CHECK_AGAIN_MS);
    else if (fleet->state.autoscaling == ECS_AUTOSCALING_ACTS)
        ecs_member_check(fleet->member, CHECK_REFUSED_MS);
    else if (answer == ECS_AUTOSCALING_UNKNOWN)
        ecs_member_check(fleet->member, CHECK_LATER_MS);
    ecs_fleet_pump(fleet);
}

/* ---- the fleet ---- */

static void on_end(void *arg)
{
    struct ecs_fleet *fleet = arg;
    fleet->options.on_empty(fleet->options.arg);
}

struct ecs_fleet *ecs_fleet_new(const struct ecs_fleet_options *options)
{
    struct ecs_fleet *fleet = xcalloc(1, sizeof *fleet);
    fleet->options = *options;
    fleet->random = options->seed;
    ecs_state_init(&fleet->state, &(struct ecs_rules){.on_drift = ECS_ADOPT}, -1); /* a follower tells it */
    fleet->turn = (struct ecs_turn){.fn = on_timer, .arg = fleet};
    loop_timer_init(&fleet->timer, options->base, on_timer, fleet);
    loop_timer_init(&fleet->end_timer, options->base, on_end, fleet);
    ecs_fleet_protect_init(fleet);
    ecs_stopping_init(&fleet->stopping, options->pool, options->config->cluster, options->config->service);
    return fleet;
}

static void leave(struct ecs_fleet *fleet)
{
    ecs_member_leave(fleet->member);
    fleet->member = NULL;
    ecs_pool_leave_turn(fleet->options.pool, &fleet->turn);
    ecs_stopping_clean_up(&fleet->stopping);
    ecs_fleet_protect_stop(fleet);
}

/* No call is left; that is said in a turn of its own. */
static void say_end(struct ecs_fleet *fleet)
{
    loop_timer_arm_real_ms(&fleet->end_timer, 0);
}

static void destroy(void *arg)
{
    struct ecs_fleet *fleet = arg;
    leave(fleet);
    aws_call_cancel(fleet->update);
    ecs_fleet_protect_clean_up(fleet);
    loop_timer_clean_up(&fleet->timer);
    loop_timer_clean_up(&fleet->end_timer);
    free(fleet);
}

static void start(void *arg, int64_t desired, bool is_restored)
{
    struct ecs_fleet *fleet = arg;
    const struct config_ecs *config = fleet->options.config;
    struct ecs_rules rules = {.on_drift = (enum ecs_on_drift)config->on_drift,
                              .allow_autoscaling = config->allow_autoscaling,
                              .min = fleet->options.capacity.min,
                              .max = fleet->options.capacity.max,
                              .fresh_ms = FRESH_INTERVALS * config->describe_ms,
                              .missing_grace_ms = config->missing_grace_ms,
                              .start_grace_ms = config->start_grace_ms,
                              .reassert_out_ms = fleet->options.timing.scale_out_cooldown_ms,
                              .reassert_in_ms = fleet->options.timing.scale_in_cooldown_ms};
    struct ecs_member_options member = {.cluster = config->cluster,
                                        .service = config->service,
                                        .interval_ms = config->describe_ms,
                                        .on_look = on_look,
                                        .on_check = on_check,
                                        .arg = fleet};
    ecs_state_init(&fleet->state, &rules, is_restored ? desired : -1);
    fleet->protect.began_ms = clock_product_ms(); /* it may have been made long before, by a follower */
    fleet->member = ecs_pool_join(fleet->options.pool, &member);
    ecs_member_check(fleet->member, 0);
}

static void set_desired(void *arg, int64_t desired)
{
    struct ecs_fleet *fleet = arg;
    ecs_state_order(&fleet->state, desired, clock_product_ms());
    ecs_fleet_pump(fleet);
}

/* The tasks are the service's: they stay, whoever comes after us. A write that is on its way may take effect
 * whatever we do, so its answer is waited for: who comes next is not to meet it. */
static void stop(void *arg)
{
    struct ecs_fleet *fleet = arg;
    if (fleet->stopped)
        return;
    fleet->stopped = true;
    LOG(LOG_INFO, "leaving the ECS service as it is", LOG_STR("fleet", fleet->options.name),
        LOG_INT("desired_count", fleet->state.has_base ? fleet->state.desired : -1));
    leave(fleet);
    loop_timer_cancel(&fleet->timer);
    if (fleet->update == NULL)
        say_end(fleet);
}

static bool is_writing(void *arg)
{
    const struct ecs_fleet *fleet = arg;
    return fleet->update != NULL;
}

const struct fleet_ops ECS_FLEET_OPS = {
    .type = "ecs",
    .destroy = destroy,
    .start = start,
    .set_desired = set_desired,
    .stop = stop,
    .is_writing = is_writing,
    .take_telemetry = ecs_fleet_take_telemetry,
    .observe = ecs_fleet_observe,
    .write_status = ecs_fleet_write_status,
};
