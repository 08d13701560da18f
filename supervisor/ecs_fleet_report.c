/* What an ECS fleet tells: the observation's worker part, and status. See ecs_fleet.h. */
#include "supervisor/ecs_fleet_internal.h"

/* How busy the tasks are is unknown without telemetry: the controller goes by the queue's counts then. */
void ecs_fleet_observe(void *arg, int64_t now_ms, struct observation *obs)
{
    const struct ecs_fleet *fleet = arg;
    const struct ecs_state *state = &fleet->state;
    struct ecs_counts counts;
    if (ecs_state_counts(state, &counts)) {
        reading_set(&obs->ready, counts.ready, state->asked_ms);
        reading_set(&obs->starting, counts.starting, state->asked_ms);
    }
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
}
