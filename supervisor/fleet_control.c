/* The control loop of one fleet; see fleet_control.h. */
#include "supervisor/fleet_control.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/loop.h"
#include "policies/controller.h"
#include "supervisor/decision_ring.h"
#include "supervisor/ecs_fleet.h"
#include "supervisor/fleet_sensors.h"
#include "supervisor/journal.h"
#include "supervisor/local_fleet.h"
#include "supervisor/sqs_sensor.h"
#include "supervisor/state_file.h"

#include <stdlib.h>
#include <string.h>

enum { SAVE_EVERY_MS = 10000, TELEMETRY_STALE_FLOOR_REAL_MS = 2000 };

struct fleet_control {
    struct fleet_control_options options;
    struct controller *controller; /* owned */
    struct sqs_sensor *sensor;     /* owned */
    struct fleet_polls polls;
    struct fleet_sensors *sensors; /* owned: who tells the depth when SQS does not */
    const struct fleet_ops *ops;   /* of its workers */
    void *workers;                 /* owned; what ops take */
    struct journal journal;
    struct loop_timer save_timer;
    struct loop_timer order_timer; /* the end of an operator's order */
    bool started;
    bool stopped;

    bool decided; /* last is filled in */
    struct decision last;
    bool changed;
    struct decision last_change;
    uint64_t decisions, changes;
    uint64_t grown, shrunk;
    uint64_t whys[DECISION_WHY_COUNT]; /* decisions by reason */
    struct reading depth;              /* the newest one that was known, kept when later ones are not */
    int64_t depth_max_age_ms;
    struct decision_ring runs;         /* the last decisions */
    struct decision_ring changed_runs; /* those that changed something */

    struct strbuf written; /* what the state file has */
    bool state_stuck;      /* it has what we cannot use, and cannot put aside: leave it alone */
    bool disowned;         /* the state folder is somebody else's now: leave all of it alone */
    uint64_t saves, save_failures;
    struct err save_error;    /* of the last failure */
    struct err restore_error; /* why the state found at start was of no use; "" otherwise */
};

/* ---- state file ---- */

/* The shared state of two supervisors instead of the file. */
static void keep_state(struct fleet_control *control)
{
    const struct fleet_control_options *options = &control->options;
    struct strbuf text = STRBUF_INIT;
    (void)state_text_write(options->fleet->name, control->controller, clock_product_ms(), &text);
    const char *error = options->keep_state(options->arg, options->fleet, strbuf_str(&text));
    control->saves += error == NULL;
    control->save_failures += error != NULL;
    (void)err_set(&control->save_error, "%s", error != NULL ? error : "");
    strbuf_clean_up(&text);
}

static void save_state(struct fleet_control *control, enum state_file_care care)
{
    struct err err = {.text = ""};
    const struct fleet_control_options *options = &control->options;
    if (!control->started)
        return;
    if (options->keep_state != NULL) {
        keep_state(control);
        return;
    }
    if (control->disowned || (options->owns_state_dir != NULL && !options->owns_state_dir(options->arg)))
        return; /* the owner of the lock looks after that */
    if (control->state_stuck) {
        control->save_failures++;
        control->save_error = control->restore_error;
        return;
    }
    bool was_failing = control->save_error.text[0] != '\0';
    if (state_file_save(control->options.config->state_dir, control->options.fleet->name, control->controller,
                        clock_product_ms(), care, &control->written, &err) == 0) {
        control->saves++;
        if (was_failing)
            LOG(LOG_INFO, "the state file can be written again",
                LOG_STR("fleet", control->options.fleet->name));
        control->save_error.text[0] = '\0';
        return;
    }
    control->save_failures++;
    if (!was_failing)
        LOG(LOG_ERROR, "cannot write the state file; a restart now would not know what was desired",
            LOG_STR("fleet", control->options.fleet->name), LOG_STR("error", err.text));
    control->save_error = err;
}

static int64_t save_every_ms(const struct fleet_control *control)
{
    return control->options.keep_state != NULL ? control->options.keep_every_ms : SAVE_EVERY_MS;
}

static void on_save_timer(void *arg)
{
    struct fleet_control *control = arg;
    save_state(control, STATE_FILE_LAZY);
    loop_timer_arm_product_ms(&control->save_timer, save_every_ms(control));
}

/* Nothing of what a predecessor left could be used. */
static void hold_shrinks(struct fleet_control *control, const struct err *err)
{
    int64_t hold_ms = controller_timing(control->controller).scale_in_after_ms;
    control->restore_error = *err;
    controller_hold_shrink(control->controller, clock_product_ms(), hold_ms);
}

static void tell_restored(const struct fleet_control *control)
{
    LOG(LOG_INFO, "restored the saved state", LOG_STR("fleet", control->options.fleet->name),
        LOG_INT("desired", controller_desired(control->controller)));
}

/* What the supervisor that led before us kept where both can reach it. */
static bool restore_kept(struct fleet_control *control, const char *kept)
{
    struct err err = {.text = ""};
    const char *name = control->options.fleet->name;
    if (kept == NULL) {
        LOG(LOG_INFO, "there is no shared state of this fleet yet", LOG_STR("fleet", name),
            LOG_INT("desired", controller_desired(control->controller)));
        return false;
    }
    if (state_text_restore(kept, strlen(kept), control->controller, &err) == 0) {
        tell_restored(control);
        return true;
    }
    hold_shrinks(control, &err);
    LOG(LOG_ERROR, "the shared state of this fleet is of no use, shrinks are held", LOG_STR("fleet", name),
        LOG_STR("error", err.text));
    return false;
}

/* Whether there was a state to restore. */
static bool restore_state(struct fleet_control *control)
{
    const char *name = control->options.fleet->name;
    struct err err = {.text = ""};
    switch (state_file_load(control->options.config->state_dir, name, control->controller, &err)) {
    case STATE_FILE_NONE:
        LOG(LOG_INFO,
            control->options.fleet->type == FLEET_ECS
                ? "no saved state, starting at the service's desired count"
                : "no saved state, starting at min",
            LOG_STR("fleet", name), LOG_INT("desired", controller_desired(control->controller)));
        break;
    case STATE_FILE_RESTORED:
        tell_restored(control);
        return true;
    case STATE_FILE_STUCK:
        control->state_stuck = true;
        LOG(LOG_ERROR, "the saved state is of no use and cannot be put aside: the state is not saved",
            LOG_STR("fleet", name), LOG_STR("error", err.text));
        hold_shrinks(control, &err);
        break;
    case STATE_FILE_BAD:
        hold_shrinks(control, &err);
        LOG(LOG_ERROR, "the saved state is of no use, it is kept as .bad: starting at min, shrinks are held",
            LOG_STR("fleet", name), LOG_STR("error", err.text),
            LOG_INT("desired", controller_desired(control->controller)));
        break;
    }
    return false;
}

/* ---- the loop ---- */

static void tell_change(const struct fleet_control *control, const struct decision *decision)
{
    struct strbuf text = STRBUF_INIT;
    decision_text(decision, &text);
    LOG(LOG_INFO, "decision", LOG_STR("fleet", control->options.fleet->name), LOG_INT("from", decision->from),
        LOG_INT("to", decision->to), LOG_STR("why", strbuf_str(&text)));
    strbuf_clean_up(&text);
}

static void note_depth(struct fleet_control *control, const struct observation *obs)
{
    if (!obs->visible.known)
        return;
    control->depth = obs->visible;
    control->depth_max_age_ms = observation_depth_max_age_ms(
        obs, controller_stale_after_ms(&control->options.fleet->controller, obs));
}

static bool may_act(const struct fleet_control *control)
{
    const struct fleet_control_options *options = &control->options;
    return options->may_act == NULL || options->may_act(options->arg);
}

/* Observes, decides, and makes it so. Returns whether desired changed; its state is to be saved then. */
static bool take_step(struct fleet_control *control, int64_t now_ms)
{
    struct observation obs;
    const struct fleet_control_options *options = &control->options;
    observation_init(&obs);
    sqs_sensor_observe(control->sensor, now_ms, &obs);
    fleet_polls_observe(&control->polls, now_ms, &obs);
    control->ops->observe(control->workers, now_ms, &obs);
    fleet_sensors_observe(control->sensors, sqs_sensor_error(control->sensor),
                          controller_stale_after_ms(controller_config(control->controller), &obs), now_ms,
                          &obs);
    note_depth(control, &obs);
    journal_before_step(&control->journal, now_ms);
    controller_step(control->controller, &obs, now_ms, &control->last);
    control->decided = true;
    control->decisions++;
    control->whys[control->last.why]++;
    journal_after_step(&control->journal, &control->last);
    decision_ring_add(&control->runs, &control->last);
    sqs_sensor_set_interval(control->sensor, fleet_polls_plan(&control->polls, &control->last, now_ms));
    if (control->last.to == control->last.from)
        return false;
    /* Workers first, then the slow part: the state file waits for the disk. Shared state does not block, and
     * is under way before the order is: who takes over in between knows it. */
    if (options->keep_state != NULL)
        keep_state(control);
    control->ops->set_desired(control->workers, control->last.to);
    control->changed = true;
    control->changes++;
    control->grown += control->last.to > control->last.from;
    control->shrunk += control->last.to < control->last.from;
    control->last_change = control->last;
    decision_ring_add(&control->changed_runs, &control->last);
    tell_change(control, &control->last);
    return true;
}

static void on_poll(void *arg)
{
    struct fleet_control *control = arg;
    if (!control->stopped && may_act(control) && take_step(control, clock_product_ms()) &&
        control->options.keep_state == NULL)
        save_state(control, STATE_FILE_SYNCED); /* at every change */
}

/* ---- operators' orders ---- */

static void tell_order(const struct fleet_control *control, const struct override *made)
{
    char length[48];
    const struct override_order *order = &made->order;
    LOG(LOG_WARNING, "an operator's order", LOG_STR("fleet", control->options.fleet->name),
        LOG_STR("action", override_action(order->kind)), LOG_INT("desired", order->desired),
        LOG_STR("for", duration_format(order->for_ms, length)), LOG_STR("reason", order->reason),
        LOG_INT("uid", order->uid), LOG_INT("pid", order->pid));
}

/* Polls may be minutes apart: the end of an order is no reason to wait for one. */
static void watch_order(struct fleet_control *control, int64_t now_ms)
{
    const struct override *override = controller_get_override(control->controller, now_ms);
    if (override->order.kind != OVERRIDE_NONE)
        loop_timer_arm_product_ms(&control->order_timer, override->until_ms - now_ms);
    else
        loop_timer_cancel(&control->order_timer);
}

/* A timer may be early by a part of a ms: the order is watched on by the time of the step, not by a later
 * one. */
static void on_order_end(void *arg)
{
    struct fleet_control *control = arg;
    int64_t at_ms = clock_product_ms();
    if (!may_act(control))
        return; /* who leads next finds the order in the state */
    (void)take_step(control, at_ms);
    watch_order(control, at_ms);
    save_state(control, STATE_FILE_SYNCED);
}

int fleet_control_override(struct fleet_control *control, const struct override_order *order,
                           struct fleet_control_ordered *ret_ordered, struct err *err)
{
    struct fleet_control_ordered ordered = {.save_error = {.text = ""}};
    int64_t now_ms = clock_product_ms();
    if (control->stopped)
        return err_set(err, "the supervisor is draining its workers to leave: it takes no orders");
    if (!may_act(control))
        return err_set(err, "this supervisor follows another one that leads: give the order to that one");
    if (!control->started && control->options.keep_state != NULL)
        return err_set(err, "the fleet's shared state is still being read: try again");
    fleet_control_start(control, NULL); /* one that waits for its turn takes it now */
    ordered.replaced = *controller_get_override(control->controller, now_ms);
    journal_before_step(&control->journal, now_ms);
    if (controller_override(control->controller, order, now_ms, &ordered.made, err) != 0)
        return -1;
    journal_after_override(&control->journal, &ordered.made, now_ms);
    tell_order(control, &ordered.made);
    (void)take_step(control, now_ms);
    ordered.decision = control->last;
    save_state(control, STATE_FILE_SYNCED);
    ordered.save_error = control->save_error;
    watch_order(control, now_ms);
    *ret_ordered = ordered;
    return 0;
}

static void on_url(void *arg, const char *queue_url)
{
    struct fleet_control *control = arg;
    fleet_sensors_set_url(control->sensors, queue_url);
    if (control->ops->set_queue_url != NULL)
        control->ops->set_queue_url(control->workers, queue_url);
}

/* What the fleet has was set by somebody else, or is all that is known at a first start: decisions go on from
 * there. The next record of the journal is one of the whole state, so that a replay knows. */
static int64_t on_base(void *arg, int64_t desired, bool is_drift)
{
    struct fleet_control *control = arg;
    int64_t from = controller_desired(control->controller);
    int64_t made = controller_adopt(control->controller, desired);
    control->journal.wants_config = true;
    LOG(LOG_INFO,
        is_drift ? "adopted the foreign desired count as the new base" : "took the desired count as the base",
        LOG_STR("fleet", control->options.fleet->name), LOG_INT("from", from), LOG_INT("told", desired),
        LOG_INT("base", made));
    /* At a first start the service itself keeps the count; many fleets start at once, and each would wait for
     * the disk. */
    save_state(control, is_drift ? STATE_FILE_SYNCED : STATE_FILE_LAZY);
    return made;
}

static void on_empty(void *arg)
{
    struct fleet_control *control = arg;
    control->options.on_empty(control->options.arg);
}

/* ---- life ---- */

static void make_local(struct fleet_control *control)
{
    const struct fleet_control_options *options = &control->options;
    const struct config_fleet *fleet = options->fleet;
    struct local_fleet_options workers = {
        .base = options->base,
        .reaper = options->reaper,
        .orphans = options->orphans,
        .state_dir = options->config->state_dir,
        .name = fleet->name,
        .config = &fleet->local,
        .region = config_fleet_region(options->config, fleet),
        .endpoint_url = config_fleet_endpoint(options->config, fleet),
        .seed = options->seed,
        .on_empty = on_empty,
        .arg = control,
    };
    control->ops = &LOCAL_FLEET_OPS;
    control->workers = local_fleet_new(&workers);
}

/* Not below two real seconds: at a scaled clock's speed a busy machine would be taken for a silent one. */
static int64_t telemetry_stale_ms(const struct config *config)
{
    int64_t least_ms = (int64_t)TELEMETRY_STALE_FLOOR_REAL_MS * clock_scale();
    if (config->telemetry.listen == NULL)
        return -1;
    return config->telemetry.stale_after_ms > least_ms ? config->telemetry.stale_after_ms : least_ms;
}

static void make_ecs(struct fleet_control *control)
{
    const struct fleet_control_options *options = &control->options;
    struct ecs_fleet_options workers = {
        .base = options->base,
        .pool = options->pool,
        .name = options->fleet->name,
        .config = &options->fleet->ecs,
        .capacity = options->fleet->controller.capacity,
        .timing = controller_timing(control->controller),
        .telemetry_stale_ms = telemetry_stale_ms(options->config),
        .seed = options->seed,
        .on_base = on_base,
        .on_empty = on_empty,
        .arg = control,
    };
    control->ops = &ECS_FLEET_OPS;
    control->workers = ecs_fleet_new(&workers);
}

static void make_sensors(struct fleet_control *control)
{
    const struct fleet_control_options *options = &control->options;
    struct fleet_sensors_options sensors = {
        .fleet = options->fleet->name, .queue = &options->fleet->queue, .pool = options->cw_pool};
    control->sensors = fleet_sensors_new(&sensors);
}

struct fleet_control *fleet_control_new(const struct fleet_control_options *options)
{
    struct fleet_control *control = xcalloc(1, sizeof *control);
    const struct config *config = options->config;
    const struct config_fleet *fleet = options->fleet;
    control->options = *options;
    control->controller = controller_new(&fleet->controller);
    journal_init(&control->journal, config->state_dir, fleet->name, control->controller,
                 (enum config_journal)fleet->journal);
    decision_ring_init(&control->runs, FLEET_CONTROL_RUNS);
    decision_ring_init(&control->changed_runs, FLEET_CONTROL_CHANGES);
    loop_timer_init(&control->save_timer, options->base, on_save_timer, control);
    loop_timer_init(&control->order_timer, options->base, on_order_end, control);
    if (fleet->type == FLEET_ECS)
        make_ecs(control);
    else
        make_local(control);
    fleet_polls_init(&control->polls, options->polls, fleet, clock_product_ms());
    struct sqs_sensor_options sensor = {
        .base = options->base,
        .client = options->client,
        .gate = options->gate,
        .polls = &control->polls,
        .queue = &fleet->queue,
        .fleet = fleet->name,
        .phase_ms = fleet->queue.poll_ms - (int64_t)((double)(fleet->queue.poll_ms - 1) * options->phase),
        .on_url = on_url,
        .on_poll = on_poll,
        .arg = control};
    control->sensor = sqs_sensor_new(&sensor);
    make_sensors(control);
    return control;
}

const char *fleet_control_name(const struct fleet_control *control)
{
    return control->options.fleet->name;
}

void fleet_control_destroy(struct fleet_control *control)
{
    if (control == NULL)
        return;
    sqs_sensor_destroy(control->sensor);
    fleet_sensors_destroy(control->sensors);
    control->ops->destroy(control->workers);
    loop_timer_clean_up(&control->save_timer);
    loop_timer_clean_up(&control->order_timer);
    journal_clean_up(&control->journal);
    decision_ring_clean_up(&control->runs);
    decision_ring_clean_up(&control->changed_runs);
    strbuf_clean_up(&control->written);
    controller_destroy(control->controller);
    free(control);
}

bool fleet_control_is_started(const struct fleet_control *control)
{
    return control->started;
}

void fleet_control_start(struct fleet_control *control, const char *kept)
{
    if (control->started)
        return;
    control->started = true;
    bool is_restored =
        control->options.keep_state != NULL ? restore_kept(control, kept) : restore_state(control);
    control->ops->start(control->workers, controller_desired(control->controller), is_restored);
    sqs_sensor_start(control->sensor);
    watch_order(control, clock_product_ms());
    save_state(control, STATE_FILE_LAZY);
    loop_timer_arm_product_ms(&control->save_timer,
                              (int64_t)((double)save_every_ms(control) * (1.0 - control->options.phase)));
}

void fleet_control_stop(struct fleet_control *control)
{
    if (control->stopped)
        return;
    control->stopped = true;
    sqs_sensor_stop(control->sensor);
    fleet_polls_stop(&control->polls);
    loop_timer_cancel(&control->save_timer);
    loop_timer_cancel(&control->order_timer);
    control->ops->stop(control->workers);
    save_state(control, STATE_FILE_LAZY); /* what was desired is on the disk since it was decided */
}

bool fleet_control_is_writing(const struct fleet_control *control)
{
    return control->ops->is_writing != NULL && control->ops->is_writing(control->workers);
}

void fleet_control_renew_files(struct fleet_control *control)
{
    journal_reopen(&control->journal);
    if (control->ops->write_records != NULL)
        control->ops->write_records(control->workers);
    save_state(control, STATE_FILE_SYNCED);
}

void fleet_control_disown(struct fleet_control *control)
{
    control->disowned = true;
    control->journal.mode = JOURNAL_OFF;
    journal_reopen(&control->journal);
    if (control->ops->disown != NULL)
        control->ops->disown(control->workers);
}

enum telemetry_answer fleet_control_take_telemetry(struct fleet_control *control, const char *body,
                                                   size_t len)
{
    static const enum telemetry_answer ANSWERS[] = {[TASK_POST_TAKEN] = TELEMETRY_ANSWER_TAKEN,
                                                    [TASK_POST_BAD] = TELEMETRY_ANSWER_BAD,
                                                    [TASK_POST_TOO_MANY] = TELEMETRY_ANSWER_TOO_MANY};
    if (control->ops->take_telemetry == NULL)
        return TELEMETRY_ANSWER_NO_FLEET;
    return ANSWERS[control->ops->take_telemetry(control->workers, body, len)];
}

void fleet_control_hurry(struct fleet_control *control)
{
    if (control->ops->hurry != NULL)
        control->ops->hurry(control->workers);
}

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
