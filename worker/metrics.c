/* The table of metrics and its Prometheus text; see metrics.h. */
#include "worker/metrics.h"

#include "base/version.h"

#include <stddef.h>

#define AT(field) offsetof(struct metrics_view, field)
#define STAT(field) offsetof(struct metrics_view, stats.field)
#define HIST(name) (offsetof(struct metrics_view, hists) + sizeof(void *) * TELEMETRY_HIST_##name)

/* clang-format off */
static const struct metric TABLE[] = {
    {"sluice_worker_build_info", "Version of the worker", METRIC_INFO, PROM_COUNT, 0, NULL},
    {"sluice_worker_threads", "Handler threads", METRIC_GAUGE, PROM_COUNT, AT(threads), NULL},
    {"sluice_worker_draining", "1 once the worker drains", METRIC_GAUGE, PROM_COUNT, AT(draining), NULL},
    {"sluice_worker_capacity", "Messages that may be handled at once", METRIC_GAUGE, PROM_COUNT, STAT(capacity), "Capacity"},
    {"sluice_worker_busy", "Messages being handled", METRIC_GAUGE, PROM_COUNT, STAT(busy), "Busy"},
    {"sluice_worker_waiting", "Received messages that wait for a slot", METRIC_GAUGE, PROM_COUNT, STAT(waiting), NULL},
    {"sluice_worker_held", "Messages waiting or being handled", METRIC_GAUGE, PROM_COUNT, STAT(held), "Held"},
    {"sluice_worker_oldest_held_seconds", "Since the oldest held message was received", METRIC_GAUGE, PROM_MS, STAT(oldest_held_ms), "OldestHeld"},
    {"sluice_worker_last_receive_age_seconds", "Since the last answered receive", METRIC_GAUGE, PROM_MS, STAT(last_receive_age_ms), NULL},
    {"sluice_worker_brake_ratio", "How far the failure brake holds receiving back", METRIC_GAUGE, PROM_PERCENT, STAT(brake_percent), "Brake"},
    {"sluice_worker_received_total", "Messages received, redeliveries included", METRIC_COUNTER, PROM_COUNT, STAT(received), "Received"},
    {"sluice_worker_received_again_total", "Received messages with a receive count above 1", METRIC_COUNTER, PROM_COUNT, STAT(received_again), "ReceivedAgain"},
    {"sluice_worker_redelivered_total", "Messages that came again while held or after they were finished here", METRIC_COUNTER, PROM_COUNT, STAT(redelivered), NULL},
    {"sluice_worker_duplicates_total", "Messages deleted without handling, because they had been handled", METRIC_COUNTER, PROM_COUNT, STAT(duplicates), NULL},
    {"sluice_worker_completed_total", "Messages handled with success", METRIC_COUNTER, PROM_COUNT, STAT(completed), "Completed"},
    {"sluice_worker_failed_total", "Messages whose handling failed", METRIC_COUNTER, PROM_COUNT, STAT(failed), "Failed"},
    {"sluice_worker_retried_total", "Messages that the handler put off", METRIC_COUNTER, PROM_COUNT, STAT(retried), "Retried"},
    {"sluice_worker_rejected_total", "Messages that can never be handled, as the handler says", METRIC_COUNTER, PROM_COUNT, STAT(rejected), "Rejected"},
    {"sluice_worker_quarantined_total", "Messages sent to the dead-letter queue", METRIC_COUNTER, PROM_COUNT, STAT(quarantined), "Quarantined"},
    {"sluice_worker_deleted_total", "Deletes that SQS confirmed", METRIC_COUNTER, PROM_COUNT, STAT(deleted), "Deleted"},
    {"sluice_worker_returned_total", "Messages handed back before their handling began", METRIC_COUNTER, PROM_COUNT, STAT(returned), NULL},
    {"sluice_worker_extended_total", "Extensions of visibility that were granted", METRIC_COUNTER, PROM_COUNT, STAT(extended), NULL},
    {"sluice_worker_extends_failed_total", "Extensions of visibility that were refused or not answered", METRIC_COUNTER, PROM_COUNT, STAT(extends_failed), NULL},
    {"sluice_worker_leases_lost_total", "Messages whose visibility timeout ran out while they were held", METRIC_COUNTER, PROM_COUNT, STAT(lease_lost), "LeasesLost"},
    {"sluice_worker_stale_handles_total", "Receipt handles that SQS did not take any more", METRIC_COUNTER, PROM_COUNT, STAT(stale_handles), NULL},
    {"sluice_worker_receives_total", "Receives that were answered", METRIC_COUNTER, PROM_COUNT, STAT(receives), NULL},
    {"sluice_worker_receives_full_total", "Receives that brought all they asked for", METRIC_COUNTER, PROM_COUNT, STAT(receives_full), NULL},
    {"sluice_worker_receives_empty_total", "Receives that brought nothing", METRIC_COUNTER, PROM_COUNT, STAT(receives_empty), NULL},
    {"sluice_worker_receives_failed_total", "Receives that ended in an error", METRIC_COUNTER, PROM_COUNT, STAT(receives_failed), "ReceivesFailed"},
    {"sluice_worker_receives_cancelled_total", "Receives that were given up", METRIC_COUNTER, PROM_COUNT, STAT(receives_cancelled), NULL},
    {"sluice_worker_api_calls_total", "Calls of SQS by operation and outcome", METRIC_CALLS, PROM_COUNT, 0, "ApiCalls"},
    {"sluice_worker_busy_seconds_total", "Time of all threads in the handler", METRIC_COUNTER, PROM_MS, STAT(handle_ms_sum), "BusyTime"},
    {"sluice_worker_handle_seconds", "Time of a message in the handler", METRIC_HISTOGRAM, PROM_MS, HIST(handle_ms), "HandleTime"},
    {"sluice_worker_wait_seconds", "From SentTimestamp to the start of handling", METRIC_HISTOGRAM, PROM_MS, HIST(wait_ms), "WaitTime"},
    {"sluice_worker_lease_margin_seconds", "Visibility left when a delete was confirmed", METRIC_HISTOGRAM, PROM_MS, HIST(lease_margin_ms), "LeaseMargin"},
    {"sluice_worker_task_protected", "1 while ECS protects the task from scale-in", METRIC_GAUGE, PROM_COUNT, AT(is_protected), NULL},
    {"sluice_worker_task_protection_failures_total", "Calls for task protection that failed", METRIC_COUNTER, PROM_COUNT, AT(protection_failures), NULL},
    {"sluice_worker_task_protection_refusals_total", "Calls for task protection that ECS refused, such as DEPLOYMENT_BLOCKED", METRIC_COUNTER, PROM_COUNT, AT(protection_refusals), "ProtectionRefusals"},
    {"sluice_worker_strangers_reaped_total", "Processes reaped that the worker did not start, as PID 1 of a container", METRIC_COUNTER, PROM_COUNT, AT(strangers_reaped), NULL},
    {"sluice_worker_emf_lines_dropped_total", "CloudWatch lines that standard output did not take", METRIC_COUNTER, PROM_COUNT, AT(emf_dropped), NULL},
    {"sluice_worker_log_lines_dropped_total", "Log lines that standard error did not take", METRIC_COUNTER, PROM_COUNT, AT(log_dropped), NULL},
    {NULL, NULL, METRIC_COUNTER, PROM_COUNT, 0, NULL},
};
/* clang-format on */

static const char *const OPERATION_NAMES[METRICS_OPERATION_MAX] = {
#define X(name) #name,
    METRICS_OPERATIONS(X)
#undef X
};

const struct metric *metrics_table(void)
{
    return TABLE;
}

static int64_t count_calls(const struct metrics_calls *calls)
{
    int64_t sum = 0;
    for (int op = 0; op < METRICS_OPERATION_MAX; op++)
        for (int kind = 0; kind < AWS_KIND_MAX; kind++)
            sum += calls->count[op][kind];
    return sum;
}

int64_t metrics_value(const struct metric *metric, const struct metrics_view *view)
{
    const void *at = (const char *)view + metric->offset;
    if (metric->type == METRIC_CALLS)
        return count_calls(&view->calls);
    return metric->type != METRIC_INFO ? *(const int64_t *)at : 1;
}

const struct histogram *metrics_histogram(const struct metric *metric, const struct metrics_view *view)
{
    const void *at = (const char *)view + metric->offset;
    return *(const struct histogram *const *)at;
}

/* ---- Prometheus ---- */

static void put_queue(struct prom *p, void *view)
{
    prom_label(p, "queue", ((const struct metrics_view *)view)->queue);
}

static void render_calls(struct prom *p, const struct metrics_view *view)
{
    for (int op = 0; op < METRICS_OPERATION_MAX; op++)
        for (int kind = 0; kind < AWS_KIND_MAX; kind++) {
            prom_open(p, "");
            prom_label(p, "queue", view->queue);
            prom_label(p, "operation", OPERATION_NAMES[op]);
            prom_label(p, "outcome", aws_kind_name((enum aws_kind)kind));
            prom_close(p, PROM_COUNT, view->calls.count[op][kind]);
        }
}

static void render_one(const struct metric *metric, struct metrics_view *view, struct prom *p)
{
    static const enum prom_type TYPES[] = {[METRIC_COUNTER] = PROM_COUNTER,
                                           [METRIC_GAUGE] = PROM_GAUGE,
                                           [METRIC_HISTOGRAM] = PROM_HISTOGRAM,
                                           [METRIC_CALLS] = PROM_COUNTER,
                                           [METRIC_INFO] = PROM_GAUGE};
    prom_family(p, metric->name, TYPES[metric->type], metric->help);
    if (metric->type == METRIC_HISTOGRAM) {
        prom_histogram_ms(p, metrics_histogram(metric, view), put_queue, view);
        return;
    }
    if (metric->type == METRIC_CALLS) {
        render_calls(p, view);
        return;
    }
    prom_open(p, "");
    prom_label(p, "queue", view->queue);
    if (metric->type == METRIC_INFO)
        prom_label(p, "version", SLUICE_VERSION);
    prom_close(p, metric->unit, metrics_value(metric, view));
}

void metrics_render(const struct metrics_view *view, struct strbuf *out)
{
    struct prom p = PROM_INIT(out);
    struct metrics_view labels = *view; /* the histogram's labels are written through a plain pointer */
    for (const struct metric *metric = TABLE; metric->name != NULL; metric++)
        render_one(metric, &labels, &p);
}
