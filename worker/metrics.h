/*
 * The worker's metrics: one table says what each is called, counts and measures; the Prometheus text
 * (metrics.c) and the CloudWatch lines (emf.c) are both made from it. A view holds the values of one moment.
 * Pure.
 */
#ifndef SLUICE_WORKER_METRICS_H
#define SLUICE_WORKER_METRICS_H

#include "aws/client.h"
#include "base/histogram.h"
#include "base/prom.h"
#include "base/strbuf.h"
#include "base/telemetry.h"

#include <stddef.h>
#include <stdint.h>

/* Calls that the worker makes of SQS. */
#define METRICS_OPERATIONS(X)                                                                                \
    X(receive_message) X(delete_message_batch) X(change_message_visibility_batch) X(send_message_batch)
enum metrics_operation {
#define X(name) METRICS_##name,
    METRICS_OPERATIONS(X)
#undef X
        METRICS_OPERATION_MAX
};

struct metrics_calls {
    int64_t count[METRICS_OPERATION_MAX][AWS_KIND_MAX]; /* ended calls, retries not counted apart */
};

struct metrics_view {
    const char *queue;  /* its name */
    const char *worker; /* the worker's name */
    struct telemetry_stats stats;
    const struct histogram *hists[TELEMETRY_HIST_MAX];
    struct metrics_calls calls;
    int64_t threads;
    int64_t draining;                                               /* 0, 1 */
    int64_t is_protected, protection_failures, protection_refusals; /* see protection.h */
    int64_t strangers_reaped;                                       /* see strangers.h */
    int64_t emf_dropped, log_dropped;                               /* lines that nobody took */
};

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_CALLS, METRIC_INFO };

struct metric {
    const char *name; /* Prometheus */
    const char *help; /* one sentence without a full stop */
    enum metric_type type;
    enum prom_unit unit;
    size_t offset;   /* of the int64_t or histogram pointer in the view */
    const char *emf; /* CloudWatch; NULL: not sent there, each costs its user money */
};

/* Ends with a NULL name. */
const struct metric *metrics_table(void);

/* The value of a row of type COUNTER or GAUGE, the sum over all calls of METRIC_CALLS, 1 for METRIC_INFO. */
int64_t metrics_value(const struct metric *metric, const struct metrics_view *view);
const struct histogram *metrics_histogram(const struct metric *metric, const struct metrics_view *view);

/* Appends all of it in Prometheus's text format 0.0.4. */
void metrics_render(const struct metrics_view *view, struct strbuf *out);

#endif
