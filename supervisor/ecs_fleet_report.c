/* What an ECS fleet tells: the observation's worker part, and status. See ecs_fleet.h. */
#include "supervisor/ecs_fleet_internal.h"

enum { WORKERS_SHOWN = 200 };

/* How busy the tasks are is known when as many tell it as run and are ordered; otherwise the controller goes
 * by the queue's counts: a task that is not heard is not idle. Counters are told as soon as all that run are
 * heard: sums over a part would look as if less were done. */
static void observe_tasks(const struct ecs_fleet *fleet, int64_t now_ms, struct observation *obs)
{
    const struct ecs_state *state = &fleet->state;
    struct task_view view;
    struct telemetry_stats counters;
    task_account_view(&fleet->tasks, now_ms, &view);
    int64_t heard = view.gauges.workers;
    if (!state->known || heard == 0)
        return;
    account_gauges_observe_capacity(&view.gauges, obs);
    /* Who tells that it is ready runs, though the last look at the service is older than that. */
    int64_t later = heard - obs->ready.value;
    if (obs->ready.known && later > 0 && obs->starting.value > 0) {
        later = later < obs->starting.value ? later : obs->starting.value;
        reading_set(&obs->ready, obs->ready.value + later, obs->ready.at_ms);
        reading_set(&obs->starting, obs->starting.value - later, obs->starting.at_ms);
    }
    if (heard < state->facts.running)
        return;
    task_account_counters(&fleet->tasks, &counters);
    account_counters_observe(&counters, now_ms, obs);
    if (heard >= state->desired)
        account_gauges_observe_busy(&view.gauges, now_ms, obs);
}

void ecs_fleet_observe(void *arg, int64_t now_ms, struct observation *obs)
{
    const struct ecs_fleet *fleet = arg;
    const struct ecs_state *state = &fleet->state;
    struct ecs_counts counts;
    if (ecs_state_counts(state, &counts)) {
        reading_set(&obs->ready, counts.ready, state->asked_ms);
        reading_set(&obs->starting, counts.starting, state->asked_ms);
    }
    observe_tasks(fleet, now_ms, obs);
    if (fleet->stopping.known)
        reading_set(&obs->stopping, fleet->stopping.count, fleet->stopping.at_ms);
    reading_set(&obs->scale_out_hold, ecs_state_out_hold(state, now_ms), now_ms);
    reading_set(&obs->scale_in_hold, ecs_state_in_hold(state, now_ms), now_ms);
}

static void write_known(struct jsonw *w, const char *key, bool known, int64_t value)
{
    jsonw_key(w, key);
    if (known)
        jsonw_int(w, value);
    else
        jsonw_null(w);
}

static const char *or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static void write_facts(const struct ecs_fleet *fleet, int64_t now_ms, struct jsonw *w)
{
    const struct ecs_state *state = &fleet->state;
    const struct ecs_facts *facts = &state->facts;
    write_known(w, "age_ms", state->known, now_ms - state->asked_ms);
    jsonw_key_str(w, "status", state->known ? facts->status : NULL);
    write_known(w, "desired_count", state->has_base, state->desired);
    write_known(w, "running_count", state->known, facts->running);
    write_known(w, "pending_count", state->known, facts->pending);
    write_known(w, "failed_tasks", state->known && facts->failed_tasks >= 0, facts->failed_tasks);
    jsonw_key_bool(w, "rollout_in_progress", state->known && facts->rollout);
    jsonw_key_str(w, "rollout_reason", facts->rollout ? or_null(facts->rollout_text) : NULL);
    jsonw_key_bool(w, "missing", state->missing_ms >= 0);
    jsonw_key_str(w, "refused", or_null(state->refusal));
    jsonw_key_int(w, "looks_failed_in_a_row", (int64_t)state->looks_failed);
    jsonw_key_str(w, "look_error", state->looks_failed > 0 ? state->look_error : NULL);
}

static void write_starts(const struct ecs_fleet *fleet, struct jsonw *w)
{
    static const char *const NAMES[] = {NULL, "tasks_fail", "pending_stays"};
    const struct ecs_state *state = &fleet->state;
    jsonw_key_str(w, "failing", NAMES[state->failing]);
    jsonw_key_str(w, "failing_reason",
                  state->failing != ECS_STARTS_WELL ? or_null(ecs_fleet_failure_text(fleet)) : NULL);
    jsonw_key_str(w, "stopping_error", or_null(fleet->stopping.error));
}

static void write_drift(const struct ecs_state *state, int64_t now_ms, struct jsonw *w)
{
    jsonw_key_str(w, "on_drift", state->rules.on_drift == ECS_ADOPT ? "adopt" : "reassert");
    jsonw_key_int(w, "drifts", (int64_t)state->drifts);
    jsonw_key_int(w, "reassertions", (int64_t)state->reassertions);
    jsonw_key_bool(w, "over_max", ecs_state_is_over_max(state));
    jsonw_key(w, "last_drift");
    if (state->drifts == 0) {
        jsonw_null(w);
        return;
    }
    jsonw_object(w);
    jsonw_key_int(w, "from", state->drift_from);
    jsonw_key_int(w, "to", state->drift_to);
    jsonw_key_int(w, "age_ms", now_ms - state->drift_ms);
    jsonw_end_object(w);
}

static void write_writes(const struct ecs_state *state, int64_t now_ms, struct jsonw *w)
{
    jsonw_key_bool(w, "order_pending", state->dirty || state->writing);
    jsonw_key_int(w, "writes", (int64_t)state->writes);
    jsonw_key_int(w, "write_failures", (int64_t)state->write_failures);
    jsonw_key_str(w, "write_error", or_null(state->write_error));
    if (state->writes_failed_in_a_row > 0)
        jsonw_key_int(w, "next_write_in_ms", state->retry_ms > now_ms ? state->retry_ms - now_ms : 0);
}

static void write_warnings(const struct ecs_fleet *fleet, struct jsonw *w)
{
    struct strbuf text = STRBUF_INIT;
    jsonw_key(w, "warnings");
    jsonw_array(w);
    if (fleet->state.autoscaling == ECS_AUTOSCALING_UNCHECKED) {
        strbuf_appendf(&text, "cannot tell whether Application Auto Scaling scales the service, too: %s",
                       fleet->autoscaling_text);
        jsonw_str(w, strbuf_str(&text));
    }
    if (fleet->state.autoscaling == ECS_AUTOSCALING_ACTS && fleet->state.rules.allow_autoscaling)
        jsonw_str(w, "Application Auto Scaling scales the service, too (allow_autoscaling)");
    jsonw_end_array(w);
    strbuf_clean_up(&text);
}

static void write_service(const struct ecs_fleet *fleet, int64_t now_ms, struct jsonw *w)
{
    static const char *const CHECKS[] = {"unknown", "none", "suspended", "acts", "unchecked"};
    jsonw_key(w, "service");
    jsonw_object(w);
    jsonw_key_str(w, "cluster", fleet->options.config->cluster);
    jsonw_key_str(w, "name", fleet->options.config->service);
    write_facts(fleet, now_ms, w);
    write_starts(fleet, w);
    write_drift(&fleet->state, now_ms, w);
    write_writes(&fleet->state, now_ms, w);
    jsonw_key_str(w, "autoscaling", CHECKS[fleet->state.autoscaling]);
    jsonw_key_str(w, "autoscaling_text", or_null(fleet->autoscaling_text));
    write_warnings(fleet, w);
    jsonw_end_object(w);
}

static void write_telemetry(const struct ecs_fleet *fleet, const struct task_view *view, int64_t now_ms,
                            struct jsonw *w)
{
    const struct task_account *tasks = &fleet->tasks;
    const struct ecs_state *state = &fleet->state;
    jsonw_key(w, "telemetry");
    if (fleet->options.telemetry_stale_ms < 0) {
        jsonw_null(w);
        return;
    }
    jsonw_object(w);
    jsonw_key_int(w, "workers_reporting", view->gauges.workers);
    write_known(w, "workers_running", state->known, state->facts.running);
    jsonw_key_bool(w, "covers_all",
                   state->known && view->gauges.workers > 0 && view->gauges.workers >= state->facts.running &&
                       view->gauges.workers >= state->desired);
    write_known(w, "age_ms", view->gauges.workers > 0, now_ms - view->gauges.oldest_ms);
    jsonw_key_int(w, "busy", view->gauges.busy);
    jsonw_key_int(w, "busy_workers", view->busy_tasks);
    jsonw_key_int(w, "workers_draining", view->draining);
    jsonw_key_int(w, "workers_silent", view->stale);
    jsonw_key_int(w, "posts", (int64_t)tasks->posts);
    jsonw_key_int(w, "bad_posts", (int64_t)tasks->bad);
    jsonw_key_int(w, "late_lines", (int64_t)tasks->late);
    jsonw_key_int(w, "posts_ignored", (int64_t)tasks->ignored);
    jsonw_key_int(w, "workers_forgotten", (int64_t)tasks->forgotten);
    jsonw_end_object(w);
}

static void write_protection(const struct ecs_fleet *fleet, const struct task_view *view, int64_t now_ms,
                             struct jsonw *w)
{
    const struct ecs_protect *protect = &fleet->protect;
    int64_t ours = 0;
    for (size_t i = 0; i < fleet->tasks.count; i++)
        ours += fleet->tasks.tasks[i]->guard.until_ms > now_ms;
    jsonw_key(w, "protection");
    jsonw_object(w);
    jsonw_key_bool(w, "enabled", protect->rules.enabled);
    jsonw_key_int(w, "by_us", ours);
    jsonw_key_int(w, "by_workers", view->protected_tasks);
    jsonw_key_str(w, "order_waits_for", ecs_protect_why_name(fleet->verdict.why));
    jsonw_key_bool(w, "waited_too_long", fleet->verdict.is_late);
    jsonw_key_int(w, "busy_unprotected", fleet->verdict.exposed);
    jsonw_key_bool(w, "kept_above_desired", ecs_fleet_is_kept_up(fleet, view, now_ms));
    jsonw_key_int(w, "calls", (int64_t)protect->calls);
    jsonw_key_int(w, "failures", (int64_t)protect->failures);
    jsonw_key_int(w, "granted", (int64_t)protect->granted);
    jsonw_key_int(w, "released", (int64_t)protect->released);
    jsonw_key_int(w, "refused", (int64_t)protect->refused);
    jsonw_key_str(w, "last_refusal", or_null(protect->refusal));
    jsonw_key_str(w, "error", or_null(protect->error));
    jsonw_end_object(w);
}

void ecs_fleet_write_status(void *arg, int64_t now_ms, struct jsonw *w)
{
    const struct ecs_fleet *fleet = arg;
    struct ecs_counts counts = {.ready = 0};
    bool known = ecs_state_counts(&fleet->state, &counts);
    write_known(w, "desired", fleet->state.has_base, fleet->state.want);
    write_known(w, "ready", known, counts.ready);
    write_known(w, "starting", known, counts.starting);
    write_known(w, "stopping", fleet->stopping.known, fleet->stopping.count);
    write_known(w, "backoff", known, counts.failing);
    write_service(fleet, now_ms, w);
    struct task_view view;
    task_account_view(&fleet->tasks, now_ms, &view);
    write_telemetry(fleet, &view, now_ms, w);
    write_protection(fleet, &view, now_ms, w);
    if (fleet->options.telemetry_stale_ms >= 0)
        task_account_write(&fleet->tasks, now_ms, WORKERS_SHOWN, w);
}
