/* The rules of an ECS service's desired count; see ecs_state.h. */
#include "supervisor/ecs_state.h"

#include "aws/ecs.h"

#include <stdio.h>
#include <string.h>

static int64_t max_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* ---- facts ---- */

/* The words of events that ECS writes when tasks cannot be placed, started or kept. */
static bool tells_of_failure(const char *message)
{
    static const char *const WORDS[] = {"unable", "failed", "unhealthy", "error", "Error"};
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++)
        if (strstr(message, WORDS[i]) != NULL)
            return true;
    return false;
}

static void take_deployments(const struct ecs_service *service, struct ecs_facts *facts)
{
    size_t live = 0;
    for (size_t i = 0; i < service->deployment_count; i++) {
        const struct ecs_deployment *d = &service->deployments[i];
        bool in_progress = strcmp(d->rollout_state, "IN_PROGRESS") == 0;
        live += strcmp(d->status, "INACTIVE") != 0;
        facts->rollout |= in_progress;
        if (in_progress)
            (void)snprintf(facts->rollout_text, sizeof facts->rollout_text, "%s", d->rollout_reason);
        if (strcmp(d->status, "PRIMARY") != 0)
            continue;
        facts->failed_tasks = d->failed_tasks;
        (void)snprintf(facts->deployment, sizeof facts->deployment, "%s", d->id);
    }
    facts->rollout |= live > 1;
}

bool ecs_facts_of(const struct ecs_service *service, struct ecs_facts *ret_facts)
{
    struct ecs_facts facts = {.desired = service->desired,
                              .running = service->running,
                              .pending = max_of(service->pending, 0),
                              .failed_tasks = -1,
                              .is_daemon = strcmp(service->scheduling_strategy, "DAEMON") == 0};
    if (service->desired < 0 || service->running < 0)
        return false;
    (void)snprintf(facts.controller, sizeof facts.controller, "%s",
                   service->deployment_controller[0] != '\0' ? service->deployment_controller : "ECS");
    (void)snprintf(facts.status, sizeof facts.status, "%s", service->status);
    take_deployments(service, &facts);
    for (size_t i = 0; i < service->event_count; i++) {
        if (!tells_of_failure(service->events[i].message))
            continue;
        (void)snprintf(facts.event, sizeof facts.event, "%s", service->events[i].message);
        break;
    }
    *ret_facts = facts;
    return true;
}

void ecs_facts_refusal(const struct ecs_facts *facts, char *out, size_t size)
{
    out[0] = '\0';
    if (facts->is_daemon)
        (void)snprintf(out, size,
                       "its scheduling strategy is DAEMON, which has no desired count: want REPLICA");
    else if (strcmp(facts->controller, "ECS") != 0)
        (void)snprintf(out, size, "its deployment controller is %s, which sets the counts itself: want ECS",
                       facts->controller);
    else if (facts->status[0] != '\0' && strcmp(facts->status, "ACTIVE") != 0)
        (void)snprintf(out, size, "its status is %s: want ACTIVE", facts->status);
}

static void judge_refusal(struct ecs_state *state)
{
    state->refusal[0] = '\0';
    if (state->known)
        ecs_facts_refusal(&state->facts, state->refusal, sizeof state->refusal);
    if (state->refusal[0] == '\0' && state->autoscaling == ECS_AUTOSCALING_ACTS &&
        !state->rules.allow_autoscaling)
        (void)snprintf(
            state->refusal, sizeof state->refusal,
            "Application Auto Scaling scales it, too (DescribeScalableTargets): remove or suspend that "
            "target, or set \"allow_autoscaling\": true");
}

/* ---- tasks that do not start ---- */

static void judge_starts(struct ecs_state *state, const struct ecs_facts *facts, int64_t asked_ms)
{
    bool arrived = facts->running >= facts->desired;
    bool other = state->known && strcmp(facts->deployment, state->facts.deployment) != 0;
    bool blind = state->known && asked_ms - state->asked_ms > state->rules.fresh_ms;
    if (!state->known || arrived || other)
        state->best_running = facts->running;
    if (!state->known || arrived || other || facts->running > state->best_running) {
        state->best_running = facts->running;
        state->progress_ms = asked_ms;
        state->failed_base = max_of(facts->failed_tasks, 0);
        state->failing = ECS_STARTS_WELL;
        return;
    }
    if (blind && state->failing == ECS_STARTS_WELL) /* what happened meanwhile is unknown */
        state->progress_ms = asked_ms;
    if (facts->failed_tasks >= 0 && facts->failed_tasks < state->failed_base)
        state->failed_base = facts->failed_tasks; /* ECS counts anew */
    if (facts->failed_tasks - state->failed_base >= ECS_FAILED_TASKS)
        state->failing = ECS_TASKS_FAIL;
    else if (state->failing == ECS_STARTS_WELL &&
             asked_ms - state->progress_ms >= state->rules.start_grace_ms)
        state->failing = ECS_PENDING_STAYS;
}

/* ---- looking ---- */

void ecs_state_init(struct ecs_state *state, const struct ecs_rules *rules, int64_t base)
{
    *state = (struct ecs_state){.rules = *rules,
                                .missing_ms = -1,
                                .autoscaling_since_ms = -1,
                                .has_base = base >= 0,
                                .desired = base,
                                .want = base,
                                .doubt = -1,
                                .written_ms = INT64_MIN,
                                .retry_ms = INT64_MIN,
                                .reassert_ms = INT64_MIN};
}

static void keep_before(struct ecs_state *state, int64_t now_ms)
{
    state->before[state->before_next].desired = state->desired;
    state->before[state->before_next].until_ms = now_ms + ECS_SETTLE_MS;
    state->before_next = (state->before_next + 1) % ECS_BEFORE_MAX;
}

/* Whether the count that was told may be one from before our last writes. */
static bool is_echo(const struct ecs_state *state, int64_t told, int64_t asked_ms)
{
    if (state->writing)
        return true;
    if (state->written_ms != INT64_MIN && asked_ms < state->written_ms)
        return true;
    for (size_t i = 0; i < ECS_BEFORE_MAX; i++)
        if (told == state->before[i].desired && asked_ms < state->before[i].until_ms)
            return true;
    return false;
}

/* A write that seemed to fail was done after all. */
static void note_done(struct ecs_state *state, int64_t now_ms)
{
    keep_before(state, now_ms);
    state->desired = state->doubt;
    state->doubt = -1;
    state->dirty = state->want != state->desired;
    state->reasserting = state->reasserting && state->dirty;
}

static void note_drift(struct ecs_state *state, int64_t asked_ms, int64_t now_ms, struct ecs_seen *seen)
{
    seen->drift = true;
    seen->from = state->desired;
    seen->to = state->facts.desired;
    state->drifts++;
    state->drift_from = seen->from;
    state->drift_to = seen->to;
    state->drift_ms = now_ms;
    state->desired = state->facts.desired;
    state->doubt = -1;
    if (state->rules.on_drift == ECS_ADOPT) {
        seen->rebase = true;
        seen->base = state->desired;
        return;
    }
    seen->reasserts = state->want != state->desired;
    state->reasserting = seen->reasserts;
    state->dirty = seen->reasserts;
    state->ordered_ms = asked_ms;
    state->looked = true;
}

static void judge_base(struct ecs_state *state, int64_t asked_ms, int64_t now_ms, struct ecs_seen *seen)
{
    if (!state->has_base) {
        state->has_base = true;
        state->desired = state->want = state->facts.desired;
        seen->rebase = true;
        seen->base = state->desired;
        return;
    }
    if (state->doubt >= 0 && !state->writing && state->facts.desired == state->doubt) {
        note_done(state, now_ms);
        return;
    }
    bool is_news = !is_echo(state, state->facts.desired, asked_ms);
    bool may_be_old = state->doubt >= 0 && state->facts.desired == state->desired;
    if (state->dirty && is_news && state->facts.desired == state->want && !may_be_old) {
        state->desired = state->want; /* somebody else's very wish */
        state->doubt = -1;
        state->dirty = state->reasserting = false;
        return;
    }
    if (state->facts.desired != state->desired && is_news)
        note_drift(state, asked_ms, now_ms, seen);
    else if (may_be_old && is_news && asked_ms - state->written_ms >= ECS_SETTLE_MS)
        state->doubt = -1; /* it would be seen by now */
}

void ecs_state_described(struct ecs_state *state, const struct ecs_facts *facts, int64_t asked_ms,
                         int64_t now_ms, struct ecs_seen *ret_seen)
{
    bool was_refused = state->refusal[0] != '\0';
    enum ecs_failing was_failing = state->failing;
    *ret_seen = (struct ecs_seen){.first = !state->known};
    if (state->known && asked_ms < state->asked_ms)
        return; /* overtaken by a younger answer */
    judge_starts(state, facts, asked_ms);
    state->facts = *facts;
    state->asked_ms = asked_ms;
    state->known = true;
    state->missing_ms = -1;
    state->looks_failed = 0;
    if (asked_ms >= state->ordered_ms)
        state->looked = true;
    judge_refusal(state);
    ret_seen->refused = !was_refused && state->refusal[0] != '\0';
    ret_seen->failing = was_failing == ECS_STARTS_WELL && state->failing != ECS_STARTS_WELL;
    ret_seen->recovered = was_failing != ECS_STARTS_WELL && state->failing == ECS_STARTS_WELL;
    if (state->refusal[0] == '\0')
        judge_base(state, asked_ms, now_ms, ret_seen);
}

void ecs_state_missing(struct ecs_state *state, int64_t now_ms, struct ecs_seen *ret_seen)
{
    *ret_seen = (struct ecs_seen){.first = false};
    if (state->missing_ms < 0)
        state->missing_ms = now_ms;
    bool late = now_ms - state->missing_ms >= state->rules.missing_grace_ms;
    ret_seen->missing = late && strcmp(state->look_error, "MISSING") != 0;
    if (late)
        (void)snprintf(state->look_error, sizeof state->look_error, "MISSING");
    ecs_state_look_failed(state, late ? "MISSING" : "MISSING, which a new service may be for a while");
}

void ecs_state_look_failed(struct ecs_state *state, const char *text)
{
    state->looks_failed++;
    state->look_failed = true;
    (void)snprintf(state->look_error, sizeof state->look_error, "%s", text);
}

/* ---- orders ---- */

void ecs_state_rebased(struct ecs_state *state, int64_t desired, int64_t now_ms)
{
    state->want = desired;
    /* Upward at once; a value above max stays until the policy shrinks. */
    state->dirty = desired > state->desired;
    state->reasserting = false;
    state->ordered_ms = now_ms;
    state->looked = true;
}

void ecs_state_order(struct ecs_state *state, int64_t desired, int64_t now_ms)
{
    state->want = desired;
    state->dirty = true;
    state->reasserting = false;
    state->ordered_ms = now_ms;
    state->looked = state->known && state->asked_ms >= now_ms;
    state->look_failed = false;
}

bool ecs_state_autoscaling(struct ecs_state *state, enum ecs_autoscaling answer, int64_t now_ms)
{
    bool was_refused = state->refusal[0] != '\0';
    if (state->autoscaling_since_ms < 0)
        state->autoscaling_since_ms = now_ms;
    if (answer == ECS_AUTOSCALING_UNKNOWN && now_ms - state->autoscaling_since_ms >= ECS_AUTOSCALING_MS)
        answer = ECS_AUTOSCALING_UNCHECKED;
    bool is_answer = answer != ECS_AUTOSCALING_UNKNOWN && answer != ECS_AUTOSCALING_UNCHECKED;
    /* A check that fails tells nothing against a target that was there. */
    if (state->autoscaling != ECS_AUTOSCALING_ACTS || is_answer)
        state->autoscaling = answer;
    judge_refusal(state);
    return !was_refused && state->refusal[0] != '\0';
}

static bool is_stale(const struct ecs_state *state, int64_t now_ms)
{
    return now_ms - state->asked_ms > state->rules.fresh_ms || now_ms < state->asked_ms;
}

/* Whether the service can be written to at all. */
static bool is_ready(const struct ecs_state *state)
{
    return state->known && state->has_base && state->refusal[0] == '\0' &&
           state->autoscaling != ECS_AUTOSCALING_UNKNOWN;
}

struct ecs_action ecs_state_next(const struct ecs_state *state, int64_t now_ms)
{
    struct ecs_action action = {.desired = state->want, .wake_ms = -1};
    bool raises = state->want >= max_of(state->desired, state->doubt);
    bool is_done = state->want == state->desired && state->doubt < 0;
    if (!is_ready(state) || !state->dirty || state->writing || is_done)
        return action;
    int64_t from_ms = state->reasserting ? max_of(state->retry_ms, state->reassert_ms) : state->retry_ms;
    if (now_ms < from_ms) {
        action.wake_ms = from_ms - now_ms;
        return action;
    }
    if (raises && state->failing != ECS_STARTS_WELL)
        return action;
    if (raises && (state->looked || state->look_failed || state->looks_failed > 0)) {
        action.write = true;
        return action;
    }
    /* What has just failed to be described is asked again in its turn, not at once. */
    if (!state->looked || is_stale(state, now_ms))
        action.look = state->looks_failed == 0;
    else
        action.write = !state->facts.rollout && state->doubt <= state->want;
    return action;
}

bool ecs_state_write_began(struct ecs_state *state, int64_t desired, int64_t now_ms)
{
    bool reassertion = state->reasserting;
    state->writing = true;
    state->writing_desired = desired;
    if (reassertion) {
        state->reassertions++;
        state->reassert_ms =
            now_ms + (desired > state->desired ? state->rules.reassert_out_ms : state->rules.reassert_in_ms);
    }
    return reassertion;
}

void ecs_state_written(struct ecs_state *state, int64_t desired, int64_t now_ms)
{
    state->writing = false;
    state->writes++;
    state->writes_failed_in_a_row = 0;
    state->write_error[0] = '\0';
    state->retry_ms = INT64_MIN;
    state->doubt = -1;
    keep_before(state, now_ms);
    state->written_ms = now_ms;
    state->desired = desired >= 0 ? desired : state->writing_desired;
    state->dirty = state->want != state->desired;
    state->reasserting = state->reasserting && state->dirty;
}

void ecs_state_write_failed(struct ecs_state *state, enum aws_kind kind, const char *text, double jitter,
                            int64_t now_ms)
{
    int64_t wait_ms = ECS_RETRY_MAX_MS;
    bool may_pass = kind == AWS_KIND_THROTTLED || kind == AWS_KIND_TRANSIENT || kind == AWS_KIND_BAD_REPLY;
    state->writing = false;
    state->write_failures++;
    if (may_pass && state->writes_failed_in_a_row < 6)
        wait_ms = (int64_t)ECS_RETRY_MIN_MS << state->writes_failed_in_a_row;
    state->writes_failed_in_a_row++;
    state->retry_ms = now_ms + wait_ms / 2 + (int64_t)((double)wait_ms / 2 * jitter);
    /* It may have been done all the same: what a look tells then, old or new, is no foreign value. */
    if (may_pass) {
        state->doubt = state->writing_desired;
        state->written_ms = now_ms;
        state->looked = state->look_failed = false;
        state->ordered_ms = now_ms;
    }
    (void)snprintf(state->write_error, sizeof state->write_error, "%s", text);
}

/* ---- what it means ---- */

static bool is_lost(const struct ecs_state *state, int64_t now_ms)
{
    return state->missing_ms >= 0 && now_ms - state->missing_ms >= state->rules.missing_grace_ms;
}

enum fleet_hold ecs_state_out_hold(const struct ecs_state *state, int64_t now_ms)
{
    if (state->refusal[0] != '\0')
        return FLEET_HOLD_REFUSED;
    if (!is_ready(state) || is_lost(state, now_ms))
        return FLEET_HOLD_UNKNOWN;
    return state->failing != ECS_STARTS_WELL ? FLEET_HOLD_TASKS_FAIL : FLEET_HOLD_NONE;
}

enum fleet_hold ecs_state_in_hold(const struct ecs_state *state, int64_t now_ms)
{
    if (state->refusal[0] != '\0')
        return FLEET_HOLD_REFUSED;
    if (!is_ready(state) || is_stale(state, now_ms))
        return FLEET_HOLD_UNKNOWN;
    return state->facts.rollout ? FLEET_HOLD_ROLLOUT : FLEET_HOLD_NONE;
}

bool ecs_state_counts(const struct ecs_state *state, struct ecs_counts *ret_counts)
{
    int64_t ordered = state->writing ? max_of(state->writing_desired, state->desired) : state->desired;
    int64_t short_of = max_of(ordered - state->facts.running, 0);
    if (!state->known)
        return false;
    *ret_counts = (struct ecs_counts){.ready = state->facts.running};
    if (state->failing == ECS_STARTS_WELL)
        ret_counts->starting = short_of;
    else
        ret_counts->failing = short_of;
    return true;
}

bool ecs_state_is_over_max(const struct ecs_state *state)
{
    return state->has_base && state->known && state->desired > state->rules.max;
}
