/* Rounds of publishing; see publisher.h. */
#include "supervisor/publisher.h"

#include "aws/cloudwatch.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/emf_line.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/nowait_output.h"
#include "base/version.h"
#include "supervisor/supervisor_metrics.h"

#include <stdlib.h>
#include <string.h>

#define DIMENSION "Fleet"

/* One PutMetricData under way. */
struct put {
    struct publisher *publisher;
    struct aws_call *call;
    struct put *next;
};

struct publisher {
    struct publisher_options options;
    struct loop_timer timers[METRICS_WAYS];
    struct put *puts;
    struct nowait_output output;
    uint64_t rounds, skipped, values, calls, failures, lines;
    char last_error[256];
    bool failing;
};

static const char *unit_of(const struct fleet_metric *metric)
{
    return metric->unit == PROM_MS ? "Milliseconds" : "Count";
}

/* FACT_UNKNOWN also for a metric that is not published. */
static int64_t value_of(const struct fleet_metric *metric, const struct fleet_facts *facts)
{
    if (metric->cloudwatch == NULL)
        return FACT_UNKNOWN;
    return *(const int64_t *)(const void *)((const char *)facts + metric->offset);
}

/* ---- PutMetricData ---- */

static void free_put(struct put *put)
{
    struct put **at = &put->publisher->puts;
    while (*at != put)
        at = &(*at)->next;
    *at = put->next;
    free(put);
}

static void on_put(void *arg, const struct aws_result *result)
{
    struct put *put = arg;
    struct publisher *publisher = put->publisher;
    bool was_failing = publisher->failing;
    publisher->failing = result->kind != AWS_KIND_OK;
    if (publisher->failing) {
        publisher->failures++;
        (void)aws_result_text(result, "PutMetricData", publisher->last_error, sizeof publisher->last_error);
        if (!was_failing)
            LOG(LOG_WARNING, "cannot publish metrics", LOG_STR("error", publisher->last_error));
    } else if (was_failing) {
        LOG(LOG_INFO, "metrics can be published again");
    }
    free_put(put);
}

/* A batch of values for one client. The facts stay while it is filled. */
struct batch {
    struct aws_client *client;
    struct cloudwatch_datum *data; /* CLOUDWATCH_DATA_MAX of them */
    size_t count;
};

static void send_batch(struct publisher *publisher, struct batch *batch)
{
    if (batch->count == 0)
        return;
    struct put *put = xcalloc(1, sizeof *put);
    put->publisher = publisher;
    put->next = publisher->puts;
    publisher->puts = put;
    publisher->calls++;
    publisher->values += batch->count;
    put->call =
        cloudwatch_put_metric_data(batch->client, publisher->options.metrics[METRICS_CLOUDWATCH].name_space,
                                   batch->data, batch->count, on_put, put);
    batch->count = 0;
}

static void add_fleet(struct publisher *publisher, struct batch *batch, const struct fleet_facts *facts,
                      int64_t now_ms)
{
    for (const struct fleet_metric *metric = FLEET_METRICS; metric->name != NULL; metric++) {
        int64_t value = value_of(metric, facts);
        if (value == FACT_UNKNOWN)
            continue; /* missing is not zero */
        if (batch->count == CLOUDWATCH_DATA_MAX)
            send_batch(publisher, batch);
        batch->data[batch->count++] = (struct cloudwatch_datum){.metric = metric->cloudwatch,
                                                                .dimension = DIMENSION,
                                                                .value_of_dimension = facts->name,
                                                                .unit = unit_of(metric),
                                                                .at_ms = now_ms,
                                                                .value = (double)value};
    }
}

/* Fleets of the same client go together. */
static void put_all(struct publisher *publisher)
{
    size_t count = publisher->options.fleet_count;
    int64_t now_ms = clock_product_ms();
    struct fleet_facts *facts = xcalloc(count, sizeof *facts);
    struct aws_client **clients = xcalloc(count, sizeof(struct aws_client *));
    struct batch batch = {.data = xcalloc(CLOUDWATCH_DATA_MAX, sizeof *batch.data)};
    for (size_t i = 0; i < count; i++)
        if (!publisher->options.get(publisher->options.arg, i, &facts[i], &clients[i]))
            clients[i] = NULL;
    for (size_t i = 0; i < count; i++) {
        batch.client = clients[i];
        for (size_t j = i; batch.client != NULL && j < count; j++) {
            if (clients[j] != batch.client)
                continue;
            add_fleet(publisher, &batch, &facts[j], now_ms);
            clients[j] = NULL;
        }
        send_batch(publisher, &batch);
    }
    free(batch.data);
    free(clients);
    free(facts);
}

static void on_put_timer(void *arg)
{
    struct publisher *publisher = arg;
    loop_timer_arm_product_ms(&publisher->timers[METRICS_CLOUDWATCH],
                              publisher->options.metrics[METRICS_CLOUDWATCH].every_ms);
    if (publisher->puts != NULL) {
        publisher->skipped++;
        return;
    }
    publisher->rounds++;
    put_all(publisher);
}

/* ---- lines ---- */

static void write_line(const struct publisher *publisher, const struct fleet_facts *facts, int64_t now_ms,
                       struct strbuf *out)
{
    struct jsonw w = JSONW_INIT(out);
    emf_line_open(&w, publisher->options.metrics[METRICS_EMF].name_space, DIMENSION, now_ms);
    for (const struct fleet_metric *metric = FLEET_METRICS; metric->name != NULL; metric++)
        if (value_of(metric, facts) != FACT_UNKNOWN)
            emf_line_metric(&w, metric->cloudwatch, unit_of(metric));
    emf_line_values(&w);
    jsonw_key_str(&w, DIMENSION, facts->name);
    jsonw_key_str(&w, "Version", SLUICE_VERSION);
    for (const struct fleet_metric *metric = FLEET_METRICS; metric->name != NULL; metric++)
        if (value_of(metric, facts) != FACT_UNKNOWN)
            jsonw_key_int(&w, metric->cloudwatch, value_of(metric, facts));
    jsonw_end_object(&w);
    strbuf_append_char(out, '\n');
}

static void on_line_timer(void *arg)
{
    struct publisher *publisher = arg;
    struct strbuf line = STRBUF_INIT;
    int64_t now_ms = clock_product_ms();
    loop_timer_arm_product_ms(&publisher->timers[METRICS_EMF],
                              publisher->options.metrics[METRICS_EMF].every_ms);
    (void)nowait_output_flush(&publisher->output);
    for (size_t i = 0; i < publisher->options.fleet_count; i++) {
        struct fleet_facts facts;
        struct aws_client *client = NULL;
        if (!publisher->options.get(publisher->options.arg, i, &facts, &client))
            continue;
        strbuf_clear(&line);
        write_line(publisher, &facts, now_ms, &line);
        publisher->lines += nowait_output_send(&publisher->output, &line);
    }
    strbuf_clean_up(&line);
}

/* ---- life ---- */

struct publisher *publisher_new(const struct publisher_options *options)
{
    static void (*const TIMERS[METRICS_WAYS])(void *arg) = {
        [METRICS_CLOUDWATCH] = on_put_timer, [METRICS_EMF] = on_line_timer};
    struct publisher *publisher = xcalloc(1, sizeof *publisher);
    publisher->options = *options;
    publisher->output.fd = options->fd;
    for (int i = 0; i < METRICS_WAYS; i++) {
        loop_timer_init(&publisher->timers[i], options->base, TIMERS[i], publisher);
        if (options->metrics[i].enabled)
            loop_timer_arm_product_ms(&publisher->timers[i], options->metrics[i].every_ms);
    }
    return publisher;
}

void publisher_destroy(struct publisher *publisher)
{
    if (publisher == NULL)
        return;
    while (publisher->puts != NULL) {
        struct put *put = publisher->puts;
        publisher->puts = put->next;
        aws_call_cancel(put->call);
        free(put);
    }
    for (int i = 0; i < METRICS_WAYS; i++)
        loop_timer_clean_up(&publisher->timers[i]);
    nowait_output_clean_up(&publisher->output);
    free(publisher);
}

void publisher_write_status(const struct publisher *publisher, struct jsonw *w)
{
    jsonw_object(w);
    jsonw_key_int(w, "rounds", (int64_t)publisher->rounds);
    jsonw_key_int(w, "rounds_skipped", (int64_t)publisher->skipped);
    jsonw_key_int(w, "calls", (int64_t)publisher->calls);
    jsonw_key_int(w, "values", (int64_t)publisher->values);
    jsonw_key_int(w, "failures", (int64_t)publisher->failures);
    jsonw_key_str(w, "last_error", publisher->last_error[0] != '\0' ? publisher->last_error : NULL);
    jsonw_key_int(w, "lines", (int64_t)publisher->lines);
    jsonw_key_int(w, "lines_dropped", publisher->output.dropped);
    jsonw_end_object(w);
}
