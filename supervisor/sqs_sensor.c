/* The queue's counts; see sqs_sensor.h. */
#include "supervisor/sqs_sensor.h"

#include "aws/sqs.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A request that the client has not ended by then is given up; its own timeouts are shorter. */
enum { REQUEST_BOUND_REAL_MS = 60000 };

struct sqs_sensor {
    struct sqs_sensor_options options;
    char *queue_url; /* owned; NULL until it is known */
    struct loop_timer tick;
    int64_t interval_ms; /* product */
    int64_t tick_ms;     /* product; the last tick: they keep to a grid, so that delays do not add up */

    struct call_pass pass; /* of the one poll under way */
    struct aws_call *call; /* its request */
    int64_t asked_ms;      /* product: when it went out */
    int64_t asked_mono_ms; /* real */

    /* Last good reply. */
    bool has_counts;
    struct sqs_queue_attributes counts;
    int64_t counts_at_ms; /* product: when they were asked for */

    bool failed; /* the last request did */
    uint64_t polls, errors, late;
    uint64_t failures_in_a_row;
    char last_error[256];
    int64_t last_error_ms;
    int64_t latency_ms; /* real, of the last attempt */
};

static void note_failure(struct sqs_sensor *sensor, const struct aws_result *result, const char *operation)
{
    (void)aws_result_text(result, operation, sensor->last_error, sizeof sensor->last_error);
    sensor->last_error_ms = clock_product_ms();
    sensor->errors++;
    sensor->failed = true;
    /* A dead endpoint says the same at every poll: the change is the news, status has the rest. */
    if (sensor->failures_in_a_row++ == 0)
        LOG(LOG_WARNING, "cannot read the queue; holding the fleet as it is",
            LOG_STR("fleet", sensor->options.fleet), LOG_STR("error", sensor->last_error));
}

static void note_success(struct sqs_sensor *sensor, const struct aws_result *result)
{
    if (sensor->failures_in_a_row > 0)
        LOG(LOG_INFO, "the queue can be read again", LOG_STR("fleet", sensor->options.fleet),
            LOG_INT("failures", sensor->failures_in_a_row));
    sensor->failures_in_a_row = 0;
    sensor->failed = false;
    sensor->latency_ms = result->latency_ms;
}

/* The request is over, with its retries; what waits at the gate goes now. */
static void end_poll(struct sqs_sensor *sensor, const struct aws_result *result)
{
    sensor->call = NULL;
    fleet_polls_note(sensor->options.polls, result->attempts, clock_product_ms());
    call_gate_leave(sensor->options.gate, &sensor->pass);
}

static void on_counts(void *arg, const struct aws_result *result, const struct sqs_queue_attributes *counts)
{
    struct sqs_sensor *sensor = arg;
    end_poll(sensor, result);
    if (result->kind != AWS_KIND_OK) {
        note_failure(sensor, result, "GetQueueAttributes");
    } else {
        note_success(sensor, result);
        sensor->counts = *counts;
        sensor->has_counts = true;
        sensor->counts_at_ms = sensor->asked_ms; /* SQS counted at some time after that */
    }
    sensor->options.on_poll(sensor->options.arg);
}

static void ask_counts(void *arg);

static void learn_url(struct sqs_sensor *sensor, const char *queue_url)
{
    free(sensor->queue_url);
    sensor->queue_url = xstrdup(queue_url);
    sensor->options.on_url(sensor->options.arg, sensor->queue_url);
}

static void on_queue_url(void *arg, const struct aws_result *result, const char *text)
{
    struct sqs_sensor *sensor = arg;
    end_poll(sensor, result);
    if (result->kind != AWS_KIND_OK) {
        note_failure(sensor, result, "GetQueueUrl");
        sensor->options.on_poll(sensor->options.arg);
        return;
    }
    note_success(sensor, result);
    LOG(LOG_INFO, "found the queue", LOG_STR("fleet", sensor->options.fleet), LOG_STR("queue_url", text));
    learn_url(sensor, text);
    call_gate_enter(sensor->options.gate, &sensor->pass);
}

static void ask_counts(void *arg)
{
    struct sqs_sensor *sensor = arg;
    sensor->polls++;
    sensor->asked_ms = clock_product_ms();
    sensor->asked_mono_ms = clock_mono_ms();
    if (sensor->queue_url != NULL)
        sensor->call =
            sqs_get_queue_attributes(sensor->options.client, sensor->queue_url, false, on_counts, sensor);
    else
        sensor->call =
            sqs_get_queue_url(sensor->options.client, sensor->options.queue->name, on_queue_url, sensor);
}

static void give_up(struct sqs_sensor *sensor)
{
    struct aws_result result = {
        .kind = AWS_KIND_TRANSIENT, .code = "NoAnswer", .message = "no answer for 60 s", .attempts = 1};
    aws_call_cancel(sensor->call);
    end_poll(sensor, &result);
    note_failure(sensor, &result, "GetQueueAttributes");
}

static void on_tick(void *arg)
{
    struct sqs_sensor *sensor = arg;
    int64_t now_ms = clock_product_ms();
    int64_t wait_ms = 0;
    bool is_idle = sensor->pass.state == PASS_OUT;
    if (is_idle && !fleet_polls_may(sensor->options.polls, sensor->asked_ms, now_ms, &wait_ms)) {
        loop_timer_arm_product_ms(&sensor->tick, wait_ms);
        return;
    }
    sensor->tick_ms += sensor->interval_ms;
    if (sensor->tick_ms + sensor->interval_ms <=
        now_ms) /* we did not run for a while: no burst to catch up */
        sensor->tick_ms = now_ms;
    loop_timer_arm_product_ms(&sensor->tick, sensor->tick_ms + sensor->interval_ms - now_ms);
    if (is_idle) {
        call_gate_enter(sensor->options.gate, &sensor->pass);
        return;
    }
    sensor->late++;
    if (sensor->call != NULL && clock_mono_ms() - sensor->asked_mono_ms > REQUEST_BOUND_REAL_MS)
        give_up(sensor);
    sensor->options.on_poll(sensor->options.arg);
}

struct sqs_sensor *sqs_sensor_new(const struct sqs_sensor_options *options)
{
    struct sqs_sensor *sensor = xcalloc(1, sizeof *sensor);
    sensor->options = *options;
    sensor->interval_ms = options->queue->poll_ms;
    sensor->pass = (struct call_pass){.go = ask_counts, .arg = sensor};
    loop_timer_init(&sensor->tick, options->base, on_tick, sensor);
    return sensor;
}

void sqs_sensor_destroy(struct sqs_sensor *sensor)
{
    if (sensor == NULL)
        return;
    sqs_sensor_stop(sensor);
    loop_timer_clean_up(&sensor->tick);
    free(sensor->queue_url);
    free(sensor);
}

void sqs_sensor_start(struct sqs_sensor *sensor)
{
    if (sensor->options.queue->url != NULL)
        learn_url(sensor, sensor->options.queue->url);
    sensor->tick_ms = clock_product_ms() + sensor->options.phase_ms - sensor->interval_ms;
    loop_timer_arm_product_ms(&sensor->tick, sensor->options.phase_ms);
    call_gate_enter(sensor->options.gate, &sensor->pass);
}

void sqs_sensor_stop(struct sqs_sensor *sensor)
{
    loop_timer_cancel(&sensor->tick);
    aws_call_cancel(sensor->call);
    sensor->call = NULL;
    call_gate_leave(sensor->options.gate, &sensor->pass);
}

void sqs_sensor_set_interval(struct sqs_sensor *sensor, int64_t interval_ms)
{
    if (interval_ms == sensor->interval_ms)
        return;
    sensor->interval_ms = interval_ms;
    loop_timer_arm_product_ms(&sensor->tick, sensor->tick_ms + interval_ms - clock_product_ms());
}

static void set_known(struct reading *reading, int64_t value, int64_t at_ms)
{
    if (value >= 0)
        reading_set(reading, value, at_ms);
}

void sqs_sensor_observe(const struct sqs_sensor *sensor, int64_t now_ms, struct observation *obs)
{
    reading_set(&obs->api_errors, (int64_t)sensor->errors, now_ms);
    if (!sensor->has_counts || sensor->failed)
        return;
    set_known(&obs->visible, sensor->counts.visible, sensor->counts_at_ms);
    set_known(&obs->in_flight, sensor->counts.in_flight, sensor->counts_at_ms);
    set_known(&obs->delayed, sensor->counts.delayed, sensor->counts_at_ms);
}

const char *sqs_sensor_error(const struct sqs_sensor *sensor)
{
    return sensor->failed ? sensor->last_error : "";
}

static void write_count(struct jsonw *w, const char *key, bool known, int64_t value)
{
    jsonw_key(w, key);
    if (known && value >= 0)
        jsonw_int(w, value);
    else
        jsonw_null(w);
}

void sqs_sensor_write_status(const struct sqs_sensor *sensor, int64_t now_ms, struct jsonw *w)
{
    bool known = sensor->has_counts;
    jsonw_object(w);
    jsonw_key_str(w, "url", sensor->queue_url);
    jsonw_key_str(w, "name", sensor->options.queue->name);
    write_count(w, "visible", known, sensor->counts.visible);
    write_count(w, "in_flight", known, sensor->counts.in_flight);
    write_count(w, "delayed", known, sensor->counts.delayed);
    write_count(w, "age_ms", known, now_ms - sensor->counts_at_ms);
    jsonw_key_bool(w, "failing", sensor->failed);
    jsonw_key_int(w, "polls", (int64_t)sensor->polls);
    jsonw_key_int(w, "errors", (int64_t)sensor->errors);
    jsonw_key_int(w, "late", (int64_t)sensor->late);
    jsonw_key_str(w, "last_error", sensor->last_error[0] != '\0' ? sensor->last_error : NULL);
    if (sensor->last_error[0] != '\0')
        jsonw_key_int(w, "last_error_age_ms", now_ms - sensor->last_error_ms);
    jsonw_key_int(w, "latency_ms", sensor->latency_ms);
    jsonw_end_object(w);
}
