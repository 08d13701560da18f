/* What a fleet under control tells: facts for metrics, its object of the status, why it decided so; see
 * fleet_control.h. */
#include "supervisor/fleet_control_internal.h"

#include <string.h>

/* ---- facts ---- */

static int64_t value_of(const struct reading *reading)
{
    return reading->known ? reading->value : FACT_UNKNOWN;
}

/* How old the newest depth may be now. Its step knew the interval that had led to it; the next one may be far
 * longer (a budget ran short), and nobody is late before that is over. */
static int64_t depth_max_age_ms(const struct fleet_control *control, int64_t now_ms)
{
    struct observation obs = control->last.obs;
    int64_t max_age_ms = control->depth_max_age_ms;
    if (!control->decided || !obs.visible.known)
        return max_age_ms;
    fleet_polls_observe(&control->polls, now_ms, &obs);
    int64_t by_plan_ms = observation_depth_max_age_ms(
        &obs, controller_stale_after_ms(controller_config(control->controller), &obs));
    return by_plan_ms > max_age_ms ? by_plan_ms : max_age_ms;
}

void fleet_control_get_facts(const struct fleet_control *control, int64_t now_ms, struct fleet_facts *ret)
{
    const struct capacity *capacity = &control->options.fleet->controller.capacity;
    struct observation obs = control->last.obs; /* the queue as it was last seen, the workers as they are */
    if (!control->decided)
        observation_init(&obs);
    control->ops->observe(control->workers, now_ms, &obs);
    *ret = (struct fleet_facts){
        .name = control->options.fleet->name,
        .data_age_ms = control->depth.known ? reading_age_ms(&control->depth, now_ms) : FACT_UNKNOWN,
        .stale_after_ms = depth_max_age_ms(control, now_ms),
        .visible = value_of(&obs.visible),
        .in_flight = value_of(&obs.in_flight),
        .delayed = value_of(&obs.delayed),
        .oldest_age_ms = value_of(&obs.oldest_age_ms),
        .sensor_errors = value_of(&obs.api_errors),
        .desired = controller_desired(control->controller),
        .ready = value_of(&obs.ready),
        .starting = value_of(&obs.starting),
        .stopping = value_of(&obs.stopping),
        .busy = value_of(&obs.busy),
        .waiting = value_of(&obs.waiting),
        .orphans = (int64_t)orphans_count(control->options.orphans, control->options.fleet->name),
        .min = capacity->min,
        .target = capacity->target,
        .max = capacity->max,
        .completed = value_of(&obs.completed_total),
        .failed = value_of(&obs.failed_total),
        .decisions = (int64_t)control->decisions,
        .grown = (int64_t)control->grown,
        .shrunk = (int64_t)control->shrunk,
        .out_held = obs.scale_out_hold.known && obs.scale_out_hold.value != FLEET_HOLD_NONE,
        .in_held = obs.scale_in_hold.known && obs.scale_in_hold.value != FLEET_HOLD_NONE,
        .overridden = controller_get_override(control->controller, now_ms)->order.kind != OVERRIDE_NONE,
        .journal_failures = (int64_t)control->journal.failures,
        .state_failures = (int64_t)control->save_failures,
    };
    memcpy(ret->whys, control->whys, sizeof ret->whys);
}

/* ---- status ---- */

static void write_decision(struct jsonw *w, const char *key, bool known, const struct decision *decision,
                           int64_t now_ms)
{
    struct strbuf text = STRBUF_INIT;
    jsonw_key(w, key);
    if (!known) {
        jsonw_null(w);
        return;
    }
    decision_text(decision, &text);
    jsonw_object(w);
    jsonw_key_str(w, "text", strbuf_str(&text));
    jsonw_key_int(w, "age_ms", now_ms - decision->t_ms);
    jsonw_key(w, "record");
    decision_encode_json(decision, w);
    jsonw_end_object(w);
    strbuf_clean_up(&text);
}

/* The order in force, or null; for people who wonder why nothing moves. */
static void write_override(const struct fleet_control *control, int64_t now_ms, struct jsonw *w)
{
    const struct override *override = controller_get_override(control->controller, now_ms);
    jsonw_key(w, "override");
    if (override->order.kind == OVERRIDE_NONE)
        jsonw_null(w);
    else
        override_encode_json(override, w);
    jsonw_key_int(w, "override_left_ms",
                  override->order.kind == OVERRIDE_NONE ? 0 : override->until_ms - now_ms);
}

static void write_capacity(const struct capacity *capacity, struct jsonw *w)
{
    jsonw_key(w, "capacity");
    jsonw_object(w);
    jsonw_key_int(w, "min", capacity->min);
    jsonw_key_int(w, "target", capacity->target);
    jsonw_key_int(w, "max", capacity->max);
    jsonw_end_object(w);
}

void fleet_control_write_explain(const struct fleet_control *control, size_t last, int64_t now_ms,
                                 struct jsonw *w)
{
    const struct config_fleet *fleet = control->options.fleet;
    jsonw_object(w);
    jsonw_key_int(w, "v", 1);
    jsonw_key_str(w, "fleet", fleet->name);
    jsonw_key_int(w, "now_ms", now_ms);
    write_capacity(&fleet->controller.capacity, w);
    jsonw_key_str(w, "policy", fleet->controller.policy->name);
    jsonw_key_int(w, "desired", controller_desired(control->controller));
    write_override(control, now_ms, w);
    jsonw_key(w, "last");
    decision_ring_write(&control->runs, last, now_ms, w);
    jsonw_key(w, "changes");
    decision_ring_write(&control->changed_runs, FLEET_CONTROL_CHANGES, now_ms, w);
    jsonw_end_object(w);
}

/* What the controller still waits for, counted on from the last decision. */
static void write_timers(const struct fleet_control *control, int64_t now_ms, struct jsonw *w)
{
    const struct decision *last = &control->last;
    int64_t since_ms = now_ms - last->t_ms;
    jsonw_key(w, "timers_ms");
    jsonw_object(w);
#define X(name)                                                                                              \
    jsonw_key_int(w, #name, last->timers.name##_ms > since_ms ? last->timers.name##_ms - since_ms : 0);
    if (control->decided) {
        DECISION_TIMERS(X)
    }
#undef X
    for (int i = 0; control->decided && i < last->proposal.timer_count; i++) {
        const struct proposal_timer *timer = &last->proposal.timers[i];
        jsonw_key_int(w, timer->name, timer->left_ms > since_ms ? timer->left_ms - since_ms : 0);
    }
    jsonw_end_object(w);
}

static void write_files(const struct fleet_control *control, struct jsonw *w)
{
    static const char *const MODES[] = {"all", "changes", "off"};
    const struct journal *journal = &control->journal;
    jsonw_key(w, "journal");
    jsonw_object(w);
    jsonw_key_str(w, "mode", MODES[journal->mode]);
    jsonw_key_str(w, "path", journal->path);
    jsonw_key_int(w, "records", (int64_t)journal->records);
    jsonw_key_int(w, "failures", (int64_t)journal->failures);
    jsonw_key_str(w, "last_error", journal->last_error.text[0] != '\0' ? journal->last_error.text : NULL);
    jsonw_end_object(w);
    jsonw_key(w, "state_file");
    jsonw_object(w);
    jsonw_key_int(w, "saves", (int64_t)control->saves);
    jsonw_key_int(w, "failures", (int64_t)control->save_failures);
    jsonw_key_str(w, "last_error", control->save_error.text[0] != '\0' ? control->save_error.text : NULL);
    jsonw_key_str(w, "restore_error",
                  control->restore_error.text[0] != '\0' ? control->restore_error.text : NULL);
    jsonw_end_object(w);
}

void fleet_control_write_status(const struct fleet_control *control, int64_t now_ms, struct jsonw *w)
{
    const struct config_fleet *fleet = control->options.fleet;
    jsonw_object(w);
    jsonw_key_str(w, "name", fleet->name);
    jsonw_key_str(w, "type", control->ops->type);
    jsonw_key_bool(w, "started", control->started);
    jsonw_key_bool(w, "draining", control->stopped);
    jsonw_key(w, "queue");
    sqs_sensor_write_status(control->sensor, now_ms, w);
    jsonw_key(w, "polling");
    fleet_polls_write_status(&control->polls, now_ms, w);
    jsonw_key(w, "sensors");
    fleet_sensors_write_status(control->sensors, now_ms, w);
    write_capacity(&fleet->controller.capacity, w);
    jsonw_key_str(w, "policy", fleet->controller.policy->name);
    write_override(control, now_ms, w);
    control->ops->write_status(control->workers, now_ms, w);
    jsonw_key_int(w, "orphans", (int64_t)orphans_count(control->options.orphans, fleet->name));
    jsonw_key_int(w, "decisions", (int64_t)control->decisions);
    jsonw_key_int(w, "changes", (int64_t)control->changes);
    write_decision(w, "last_decision", control->decided, &control->last, now_ms);
    write_decision(w, "last_change", control->changed, &control->last_change, now_ms);
    write_timers(control, now_ms, w);
    write_files(control, w);
    jsonw_end_object(w);
}
