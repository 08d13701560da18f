/*
 * Publishes the fleets' gauges, for those who have their dashboards in CloudWatch: by PutMetricData, up to
 * 1,000 values a call, or as embedded metric lines on standard output. It never hinders anybody: a round that
 * finds calls of the last one still under way is skipped, a line that finds the pipe full is dropped; both
 * are counted, as are failures. Belongs to the loop's thread.
 */
#ifndef SLUICE_SUPERVISOR_PUBLISHER_H
#define SLUICE_SUPERVISOR_PUBLISHER_H

#include "base/jsonw.h"
#include "supervisor/config.h"
#include "supervisor/fleet_facts.h"

#include <stdbool.h>
#include <stddef.h>

struct aws_client;
struct event_base;
struct publisher;

struct publisher_options {
    struct event_base *base;
    const struct config_metrics *metrics; /* METRICS_WAYS of them, of which one is enabled; outlives */
    size_t fleet_count;
    /* What there is to tell of a fleet, and where; false: nothing (another supervisor leads). */
    bool (*get)(void *arg, size_t index, struct fleet_facts *ret_facts, struct aws_client **ret_client);
    void *arg;
    int fd; /* of the embedded metric lines */
};

struct publisher *publisher_new(const struct publisher_options *options);
/* Ends its calls; before the clients. Accepts NULL. */
void publisher_destroy(struct publisher *publisher);

/* Writes one object: rounds, values, lines, failures. */
void publisher_write_status(const struct publisher *publisher, struct jsonw *w);

#endif
