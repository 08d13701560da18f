/*
 * The supervisor's /metrics: one table a row of which says how a metric is called, what it counts and where
 * its value is in the facts (fleet_facts.h). A new metric is a field there and a row here. Pure but for
 * /proc/self and the clock of the process.
 */
#ifndef SLUICE_SUPERVISOR_SUPERVISOR_METRICS_H
#define SLUICE_SUPERVISOR_SUPERVISOR_METRICS_H

#include "base/prom.h"
#include "base/strbuf.h"
#include "supervisor/fleet_facts.h"

#include <stddef.h>

struct fleet_metric {
    const char *name;
    const char *help; /* one sentence without a full stop */
    enum prom_type type;
    enum prom_unit unit;
    size_t offset;          /* of an int64_t in struct fleet_facts; FACT_UNKNOWN: no sample */
    const char *cloudwatch; /* its name there, a gauge; NULL: not published, each costs its user money */
};
/* Metrics with the one label "fleet"; ends with a NULL name. */
extern const struct fleet_metric FLEET_METRICS[];

/* Appends all of it in Prometheus's text format 0.0.4. */
void supervisor_metrics_render(const struct supervisor_facts *facts, struct strbuf *out);

#endif
