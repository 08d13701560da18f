/* An ECS fleet's busy tasks: telemetry in, protection out, and whether the desired count may fall. The rules
 * are ecs_protect.h's. See ecs_fleet.h. */
#include "base/clock.h"
#include "base/log.h"
#include "supervisor/ecs_fleet_internal.h"

enum {
    MINUTE_MS = 60000,
    GATHER_REAL_MS = 20,
    /* Workers that are heard: those of two generations and more, for a foreign desired count above max. */
    WORKERS_FACTOR = 4,
    WORKERS_MORE = 100,
};

static bool wants_less(const struct ecs_state *state)
{
    return state->known && state->has_base && state->dirty && state->want < state->desired;
}

/* Whether ECS may be about to stop tasks: less is wanted, or was written, or more run than are desired. In a
 * rollout more run, too, and protection would only block it. */
static bool is_needed(const struct ecs_state *state)
{
    bool is_written = state->written_ms != INT64_MIN && state->asked_ms <= state->written_ms &&
                      state->desired < state->facts.running;
    if (!state->known || state->refusal[0] != '\0' || state->facts.rollout)
        return false;
    return wants_less(state) || is_written || state->facts.running > state->desired;
}

static void on_protected(void *arg, const struct aws_result *result, const struct ecs_protected_task *tasks,
                         size_t count, const struct ecs_failure *failures, size_t failure_count)
{
    struct ecs_fleet *fleet = arg;
    struct ecs_protect *protect = &fleet->protect;
    char text[512] = "";
    uint64_t refused = protect->refused;
    fleet->protect_call = NULL;
    ecs_pool_tell(fleet->options.pool, ECS_API_PROTECTION, result);
    if (result->kind != AWS_KIND_OK) {
        (void)aws_result_text(result, "UpdateTaskProtection", text, sizeof text);
        if (protect->misses == 0)
            LOG(LOG_WARNING, "cannot protect busy tasks, trying again: a lower desired count waits",
                LOG_STR("fleet", fleet->options.name), LOG_STR("error", text));
    }
    ecs_protect_reply(protect, &fleet->tasks, result->kind, text, tasks, count, failures, failure_count,
                      clock_product_ms());
    if (refused == 0 && protect->refused > 0)
        LOG(LOG_WARNING, "ECS refuses to protect a task", LOG_STR("fleet", fleet->options.name),
            LOG_STR("reason", protect->refusal));
    ecs_fleet_pump(fleet);
}

void ecs_fleet_protect_step(struct ecs_fleet *fleet)
{
    struct ecs_protect *protect = &fleet->protect;
    int64_t wait_ms = 0;
    struct ecs_protect_call call =
        ecs_protect_next(protect, &fleet->tasks, is_needed(&fleet->state), clock_product_ms());
    if (call.count == 0) {
        if (call.wake_ms >= 0 && !fleet->protect_soon)
            loop_timer_arm_product_ms(&fleet->protect_timer, call.wake_ms);
        return;
    }
    if (!ecs_pool_take(fleet->options.pool, ECS_API_PROTECTION, &wait_ms)) {
        ecs_protect_cancel(protect, &fleet->tasks);
        loop_timer_arm_real_ms(&fleet->protect_timer, wait_ms);
        return;
    }
    fleet->protect_call = ecs_update_task_protection(
        ecs_pool_client(fleet->options.pool), fleet->options.config->cluster, call.tasks, call.count,
        call.enable, call.enable ? protect->rules.minutes : 0, on_protected, fleet);
}

/* Said when it begins, and once more when it has lasted too long. */
static void say_verdict(struct ecs_fleet *fleet, const struct ecs_protect_verdict *verdict)
{
    bool holds = verdict->why != ECS_PROTECT_FREE;
    if (holds && !fleet->verdict_said)
        LOG(LOG_INFO, "a lower desired count waits for busy tasks", LOG_STR("fleet", fleet->options.name),
            LOG_STR("why", ecs_protect_why_name(verdict->why)),
            LOG_INT("desired_count", fleet->state.desired), LOG_INT("wanted", fleet->state.want),
            LOG_INT("busy_unprotected", verdict->exposed), LOG_INT("not_heard", verdict->unheard));
    if (verdict->is_late && !fleet->late_said)
        LOG(LOG_WARNING,
            "busy tasks could not be protected in time: the desired count falls by the idle ones alone",
            LOG_STR("fleet", fleet->options.name), LOG_STR("why", ecs_protect_why_name(verdict->why)),
            LOG_INT("busy_unprotected", verdict->exposed), LOG_INT("not_heard", verdict->unheard));
    fleet->verdict_said = holds;
    fleet->late_said = verdict->is_late;
}

bool ecs_fleet_may_lower(struct ecs_fleet *fleet, int64_t *desired)
{
    const struct ecs_state *state = &fleet->state;
    int64_t now_ms = clock_product_ms();
    struct ecs_shrink shrink = {.from = state->desired,
                                .to = *desired,
                                .running = state->facts.running,
                                .asked_ms = state->asked_ms,
                                .ordered_ms = state->ordered_ms,
                                .written_ms = state->written_ms};
    ecs_protect_want(&fleet->protect, true, now_ms);
    fleet->verdict = ecs_protect_judge(&fleet->protect, &fleet->tasks, &shrink, now_ms);
    say_verdict(fleet, &fleet->verdict);
    *desired = fleet->verdict.lowest;
    if (fleet->verdict.lowest < state->desired)
        return true;
    loop_timer_arm_product_ms(&fleet->timer, fleet->verdict.wake_ms);
    return false;
}

void ecs_fleet_note_order(struct ecs_fleet *fleet)
{
    if (wants_less(&fleet->state))
        return;
    ecs_protect_want(&fleet->protect, false, clock_product_ms());
    fleet->verdict = (struct ecs_protect_verdict){.wake_ms = -1};
    fleet->verdict_said = fleet->late_said = false;
}

bool ecs_fleet_is_kept_up(const struct ecs_fleet *fleet, const struct task_view *view, int64_t now_ms)
{
    const struct ecs_state *state = &fleet->state;
    int64_t ours = 0;
    for (size_t i = 0; i < fleet->tasks.count; i++)
        ours += fleet->tasks.tasks[i]->guard.until_ms > now_ms;
    return state->known && !state->facts.rollout && state->facts.running > state->desired &&
           state->asked_ms > state->written_ms && ours + view->protected_tasks > 0;
}

/* Said once for each time. */
void ecs_fleet_watch_kept_up(struct ecs_fleet *fleet)
{
    struct task_view view;
    int64_t now_ms = clock_product_ms();
    task_account_view(&fleet->tasks, now_ms, &view);
    bool kept = ecs_fleet_is_kept_up(fleet, &view, now_ms);
    if (kept && !fleet->kept_up)
        LOG(LOG_INFO,
            "ECS keeps more tasks than desired, since busy ones are protected: they end when they are idle",
            LOG_STR("fleet", fleet->options.name), LOG_INT("desired_count", fleet->state.desired),
            LOG_INT("running_count", fleet->state.facts.running));
    fleet->kept_up = kept;
}

static void on_protect_timer(void *arg)
{
    struct ecs_fleet *fleet = arg;
    fleet->protect_soon = false;
    ecs_fleet_pump(fleet);
}

void ecs_fleet_protect_init(struct ecs_fleet *fleet)
{
    const struct ecs_fleet_options *options = &fleet->options;
    struct ecs_protect_rules rules = {.enabled =
                                          options->telemetry_stale_ms >= 0 && options->config->protect_busy,
                                      .minutes = (int)(options->config->protect_for_ms / MINUTE_MS),
                                      .wait_ms = options->config->protect_wait_ms};
    int64_t most = WORKERS_MORE + WORKERS_FACTOR * options->capacity.max;
    task_account_init(&fleet->tasks, options->telemetry_stale_ms,
                      most < TASK_ACCOUNT_MAX ? (size_t)most : TASK_ACCOUNT_MAX, clock_product_ms());
    ecs_protect_init(&fleet->protect, &rules, clock_product_ms());
    loop_timer_init(&fleet->protect_timer, options->base, on_protect_timer, fleet);
}

void ecs_fleet_protect_stop(struct ecs_fleet *fleet)
{
    aws_call_cancel(fleet->protect_call);
    fleet->protect_call = NULL;
    loop_timer_cancel(&fleet->protect_timer);
}

void ecs_fleet_protect_clean_up(struct ecs_fleet *fleet)
{
    ecs_fleet_protect_stop(fleet);
    loop_timer_clean_up(&fleet->protect_timer);
    task_account_clean_up(&fleet->tasks);
}

enum task_post ecs_fleet_take_telemetry(void *arg, const char *body, size_t len)
{
    struct ecs_fleet *fleet = arg;
    uint64_t ignored = fleet->tasks.ignored;
    enum task_post post = task_account_post(&fleet->tasks, body, len, clock_product_ms());
    if (fleet->stopped || fleet->member == NULL)
        return post;
    if (ignored == 0 && fleet->tasks.ignored > 0)
        LOG(LOG_WARNING, "more workers than this fleet can have: their telemetry is ignored",
            LOG_STR("fleet", fleet->options.name), LOG_INT("most", (int64_t)fleet->tasks.max));
    /* Many POSTs, one look at what they mean. */
    if (!fleet->protect_soon &&
        (is_needed(&fleet->state) || fleet->protect.granted > fleet->protect.released)) {
        fleet->protect_soon = true;
        loop_timer_arm_real_ms(&fleet->protect_timer, GATHER_REAL_MS);
    }
    return post;
}
