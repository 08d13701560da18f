/* The control loop of one fleet; see fleet_control.h. */
#include "supervisor/fleet_control_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/log.h"
#include "supervisor/ecs_fleet.h"
#include "supervisor/local_fleet.h"

#include <stdlib.h>

enum { TELEMETRY_STALE_FLOOR_REAL_MS = 2000 };

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
        fleet_control_keep_state(control);
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
        fleet_control_save_state(control, STATE_FILE_SYNCED); /* at every change */
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
    fleet_control_save_state(control, STATE_FILE_SYNCED);
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
    fleet_control_save_state(control, STATE_FILE_SYNCED);
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
    fleet_control_save_state(control, is_drift ? STATE_FILE_SYNCED : STATE_FILE_LAZY);
    return made;
}

static void on_empty(void *arg)
{
    struct fleet_control *control = arg;
    control->options.on_empty(control->options.arg);
}

/* ---- life ---- */

static void on_save_timer(void *arg)
{
    struct fleet_control *control = arg;
    fleet_control_save_state(control, STATE_FILE_LAZY);
    loop_timer_arm_product_ms(&control->save_timer, fleet_control_save_every_ms(control));
}

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
    bool is_restored = fleet_control_restore_state(control, kept);
    control->ops->start(control->workers, controller_desired(control->controller), is_restored);
    sqs_sensor_start(control->sensor);
    watch_order(control, clock_product_ms());
    fleet_control_save_state(control, STATE_FILE_LAZY);
    loop_timer_arm_product_ms(&control->save_timer, (int64_t)((double)fleet_control_save_every_ms(control) *
                                                              (1.0 - control->options.phase)));
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
    fleet_control_save_state(control,
                             STATE_FILE_LAZY); /* what was desired is on the disk since it was decided */
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
    fleet_control_save_state(control, STATE_FILE_SYNCED);
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
