/* One fleet's depth from whoever tells it; see fleet_sensors.h. */
#include "supervisor/fleet_sensors.h"

#include "base/alloc.h"
#include "base/log.h"
#include "supervisor/cw_pool.h"
#include "supervisor/sensor_ladder.h"

#include <stdio.h>
#include <stdlib.h>

/* A long poll takes up to 20 s; workers whose last receive ended a minute ago say nothing any more. */
enum { HINT_MAX_AGE_MS = 60000 };

struct fleet_sensors {
    struct fleet_sensors_options options;
    struct cw_member *member; /* owned; NULL: CloudWatch is off, or the queue unknown */
    bool unnamed;             /* CloudWatch knows no queue of such a name */
    struct sensor_ladder ladder;
    struct hint_tracker tracker;
    struct reading sqs_visible; /* the last good one */
    char sqs_error[256];

    struct reading readings[CW_METRIC_COUNT]; /* the newest answer's */
    uint64_t answers, failures;
    char error[256]; /* of the last call, "" when it was good */
};

/* ---- CloudWatch ---- */

/* A metric that was not asked for this time is unknown, like one without data. */
static void on_answer(void *arg, const struct aws_result *result, const struct cw_answer *answer,
                      size_t wanted)
{
    struct fleet_sensors *sensors = arg;
    bool was_failing = sensors->error[0] != '\0';
    sensors->error[0] = '\0';
    if (answer == NULL)
        (void)aws_result_text(result, "GetMetricData", sensors->error, sizeof sensors->error);
    else if (answer->forbidden)
        (void)snprintf(sensors->error, sizeof sensors->error, "GetMetricData: a metric is forbidden");
    if (sensors->error[0] != '\0') {
        sensors->failures++;
        if (!was_failing)
            LOG(LOG_WARNING, "cannot read the queue's metrics", LOG_STR("fleet", sensors->options.fleet),
                LOG_STR("error", sensors->error));
    } else if (was_failing) {
        LOG(LOG_INFO, "the queue's metrics can be read again", LOG_STR("fleet", sensors->options.fleet));
    }
    if (answer == NULL)
        return; /* what was told before grows old by itself */
    sensors->answers++;
    for (size_t i = 0; i < wanted; i++)
        sensors->readings[i] = answer->readings[i];
}

void fleet_sensors_set_url(struct fleet_sensors *sensors, const char *queue_url)
{
    const struct config_cloudwatch *config = &sensors->options.queue->cloudwatch;
    struct cw_member_options member = {.queue_name = cw_queue_name(queue_url),
                                       .period_ms = config->period_ms,
                                       .windows = config->windows,
                                       .on_answer = on_answer,
                                       .arg = sensors};
    if (sensors->options.pool == NULL || sensors->member != NULL)
        return;
    sensors->unnamed = member.queue_name[0] == '\0';
    if (sensors->unnamed)
        LOG(LOG_WARNING, "the queue's URL ends in no name that CloudWatch could know: no metrics",
            LOG_STR("fleet", sensors->options.fleet));
    else
        sensors->member = cw_pool_join(sensors->options.pool, &member);
}

/* Depth costs money: it is asked for only while SQS fails. */
static void want_metrics(struct fleet_sensors *sensors, bool sqs_fails)
{
    bool always = sensors->options.queue->cloudwatch.mode == CLOUDWATCH_ON;
    if (sensors->member != NULL)
        cw_member_want(sensors->member, sqs_fails ? CW_WANT_ALL : always ? CW_WANT_RATES : CW_WANT_NOTHING);
}

/* ---- the ladder ---- */

static void log_change(const struct fleet_sensors *sensors, enum depth_source before)
{
    const struct sensor_ladder *ladder = &sensors->ladder;
    bool is_worse = sensor_source_is_below(ladder->source, before);
    enum sensor_fault fault = ladder->faults[SENSOR_RUNG_SQS];
    LOG(is_worse ? LOG_WARNING : LOG_INFO,
        is_worse ? "the depth comes from a worse source now" : "the depth comes from a better source again",
        LOG_STR("fleet", sensors->options.fleet), LOG_STR("source", sensor_source_name(ladder->source)),
        LOG_STR("before", sensor_source_name(before)), LOG_STR("sqs", sensor_fault_text(fault)),
        LOG_STR("cloudwatch", sensor_fault_text(ladder->faults[SENSOR_RUNG_CLOUDWATCH])),
        LOG_STR("workers", sensor_fault_text(ladder->faults[SENSOR_RUNG_WORKERS])));
}

static void step_ladder(struct fleet_sensors *sensors, int64_t sqs_max_age_ms, int64_t now_ms)
{
    enum depth_source before = sensors->ladder.started ? sensors->ladder.source : DEPTH_SOURCE_SQS;
    struct sensor_ladder_input input = {
        .enabled = {[SENSOR_RUNG_SQS] = true,
                    [SENSOR_RUNG_CLOUDWATCH] = sensors->member != NULL,
                    [SENSOR_RUNG_WORKERS] = true},
        .last = {[SENSOR_RUNG_SQS] = sensors->sqs_visible,
                 [SENSOR_RUNG_CLOUDWATCH] = sensors->readings[CW_METRIC_visible],
                 [SENSOR_RUNG_WORKERS] = sensors->tracker.hint},
        .max_age_ms = {[SENSOR_RUNG_SQS] = sqs_max_age_ms,
                       [SENSOR_RUNG_CLOUDWATCH] = sensors->options.queue->cloudwatch.max_age_ms,
                       [SENSOR_RUNG_WORKERS] = HINT_MAX_AGE_MS}};
    if (sensor_ladder_step(&sensors->ladder, &input, now_ms))
        log_change(sensors, before);
}

/* The depth as the source tells it. */
static void fill_depth(const struct fleet_sensors *sensors, int64_t now_ms, struct observation *obs)
{
    enum depth_source source = sensors->ladder.source;
    reading_set(&obs->depth_source, source, now_ms);
    if (source == DEPTH_SOURCE_SQS || source == DEPTH_SOURCE_NONE)
        return; /* what SQS told last, however old: the controller looks at that */
    obs->visible.known = obs->in_flight.known = obs->delayed.known = false;
    if (source == DEPTH_SOURCE_CLOUDWATCH) {
        obs->visible = sensors->readings[CW_METRIC_visible];
        obs->in_flight = sensors->readings[CW_METRIC_in_flight];
        reading_set(&obs->depth_max_age_ms, sensors->options.queue->cloudwatch.max_age_ms, now_ms);
    } else if (source == DEPTH_SOURCE_WORKERS) {
        obs->queue_hint = sensors->tracker.hint;
        reading_set(&obs->depth_max_age_ms, HINT_MAX_AGE_MS, now_ms);
    }
}

void fleet_sensors_observe(struct fleet_sensors *sensors, const char *sqs_error, int64_t sqs_max_age_ms,
                           int64_t now_ms, struct observation *obs)
{
    (void)snprintf(sensors->sqs_error, sizeof sensors->sqs_error, "%s", sqs_error);
    if (obs->visible.known)
        sensors->sqs_visible = obs->visible;
    hint_tracker_take(&sensors->tracker, obs);
    step_ladder(sensors, sqs_max_age_ms, now_ms);
    want_metrics(sensors, sqs_error[0] != '\0' || sensors->ladder.source != DEPTH_SOURCE_SQS);
    fill_depth(sensors, now_ms, obs);
    for (size_t i = 0; i < CW_METRICS_WITHOUT_DEPTH; i++)
        if (sensors->readings[i].known)
            *cw_field(obs, (enum cw_metric)i) = sensors->readings[i];
}

/* ---- life ---- */

struct fleet_sensors *fleet_sensors_new(const struct fleet_sensors_options *options)
{
    struct fleet_sensors *sensors = xcalloc(1, sizeof *sensors);
    sensors->options = *options;
    return sensors;
}

void fleet_sensors_destroy(struct fleet_sensors *sensors)
{
    if (sensors == NULL)
        return;
    cw_member_leave(sensors->member);
    free(sensors);
}

/* ---- status ---- */

static void write_reading(struct jsonw *w, const char *key, const struct reading *reading, int64_t now_ms)
{
    jsonw_key(w, key);
    if (!reading->known) {
        jsonw_null(w);
        return;
    }
    jsonw_object(w);
    jsonw_key_int(w, "value", reading->value);
    jsonw_key_int(w, "age_ms", reading_age_ms(reading, now_ms));
    jsonw_end_object(w);
}

/* Why a rung does not serve, with the error behind it when there is one. */
static void write_why(const struct fleet_sensors *sensors, enum sensor_rung rung, struct jsonw *w)
{
    const char *error = rung == SENSOR_RUNG_SQS          ? sensors->sqs_error
                        : rung == SENSOR_RUNG_CLOUDWATCH ? sensors->error
                                                         : "";
    enum sensor_fault fault = sensors->ladder.faults[rung];
    char text[384];
    if (fault == SENSOR_GOOD && error[0] == '\0') {
        jsonw_key_str(w, "why_not", NULL);
        return;
    }
    (void)snprintf(text, sizeof text, "%s%s%s", sensor_fault_text(fault),
                   fault != SENSOR_GOOD && error[0] != '\0' ? ": " : "", error);
    jsonw_key_str(w, "why_not", text);
}

static void write_rungs(const struct fleet_sensors *sensors, struct jsonw *w)
{
    jsonw_key(w, "rungs");
    jsonw_array(w);
    for (int i = 0; i < SENSOR_RUNG_COUNT; i++) {
        jsonw_object(w);
        jsonw_key_str(w, "source", sensor_source_name(sensor_ladder_source((enum sensor_rung)i)));
        jsonw_key_bool(w, "good", sensors->ladder.faults[i] == SENSOR_GOOD);
        write_why(sensors, (enum sensor_rung)i, w);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void write_cloudwatch(const struct fleet_sensors *sensors, int64_t now_ms, struct jsonw *w)
{
    jsonw_key(w, "cloudwatch");
    if (sensors->member == NULL) {
        jsonw_null(w);
        return;
    }
    jsonw_object(w);
    jsonw_key_str(w, "mode", CONFIG_CLOUDWATCH_MODE_NAMES[sensors->options.queue->cloudwatch.mode]);
    for (size_t i = 0; i < CW_METRIC_COUNT; i++)
        write_reading(w, cw_field_name((enum cw_metric)i), &sensors->readings[i], now_ms);
    jsonw_key_int(w, "answers", (int64_t)sensors->answers);
    jsonw_key_int(w, "failures", (int64_t)sensors->failures);
    jsonw_key_str(w, "last_error", sensors->error[0] != '\0' ? sensors->error : NULL);
    jsonw_key_double(w, "usd_per_month", cw_member_month_usd(sensors->member));
    jsonw_end_object(w);
}

void fleet_sensors_write_status(const struct fleet_sensors *sensors, int64_t now_ms, struct jsonw *w)
{
    const struct sensor_ladder *ladder = &sensors->ladder;
    jsonw_object(w);
    jsonw_key_str(w, "depth_source", ladder->started ? sensor_source_name(ladder->source) : NULL);
    jsonw_key_int(w, "since_ms", ladder->started ? ladder->since_ms : 0);
    jsonw_key_int(w, "for_ms", ladder->started ? now_ms - ladder->since_ms : 0);
    jsonw_key_int(w, "changes", ladder->changes);
    write_rungs(sensors, w);
    write_cloudwatch(sensors, now_ms, w);
    jsonw_end_object(w);
}
