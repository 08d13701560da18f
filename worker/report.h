/*
 * What the worker tells beside telemetry, for those who run it without a supervisor: Prometheus text over
 * HTTP (--metrics-listen) and CloudWatch embedded metrics on standard output (--emf). Neither is ever waited
 * for. In the loop's thread.
 */
#ifndef SLUICE_WORKER_REPORT_H
#define SLUICE_WORKER_REPORT_H

#include "base/err.h"
#include "worker/metrics.h"
#include "worker/settings.h"

struct event_base;
struct report;

struct report_ops {
    void *arg;
    /* Fills in all but what the report knows itself: queue, worker, threads, dropped lines. */
    void (*get_view)(void *arg, struct metrics_view *view);
};

/* Starts what the settings ask for; they outlive the report. NULL with err when the port cannot be listened
 * on. A report of nothing costs nothing. */
struct report *report_new(struct event_base *base, const struct settings *settings,
                          const struct report_ops *ops, struct err *err);
/* The last line of --emf. */
void report_finish(struct report *report);
/* Accepts NULL. */
void report_destroy(struct report *report);

#endif
