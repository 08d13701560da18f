/*
 * Writes Prometheus's text exposition format 0.0.4 into a strbuf: families with HELP and TYPE, samples with
 * escaped labels, histograms. Pure.
 *
 *   struct prom p = PROM_INIT(&out);
 *   prom_family(&p, "sluice_fleet_visible", PROM_GAUGE, "Messages in the queue");
 *   prom_open(&p, "");  prom_label(&p, "fleet", "orders");  prom_close(&p, PROM_COUNT, 412);
 *
 * Source of the format: Prometheus documentation, "Exposition formats", text-based format.
 */
#ifndef SLUICE_BASE_PROM_H
#define SLUICE_BASE_PROM_H

#include "base/histogram.h"
#include "base/strbuf.h"

#include <stdbool.h>
#include <stdint.h>

enum prom_type { PROM_COUNTER, PROM_GAUGE, PROM_HISTOGRAM };
enum prom_unit { PROM_COUNT, PROM_MS, PROM_PERCENT }; /* ms are shown as seconds, percent as a ratio */

struct prom {
    struct strbuf *out; /* not owned */
    const char *name;   /* of the family */
    bool has_labels;    /* of the open sample */
};

#define PROM_INIT(buf)                                                                                       \
    {                                                                                                        \
        .out = (buf), .name = NULL, .has_labels = false                                                      \
    }

/* Begins a family; its samples follow, and those of no other. `name` lives as long as they are written. */
void prom_family(struct prom *p, const char *name, enum prom_type type, const char *help);

/* A sample: opened, labelled (or not), closed with its value. `suffix` is "" but for histograms. Label values
 * are any text: what the format cannot hold is escaped. */
void prom_open(struct prom *p, const char *suffix);
void prom_label(struct prom *p, const char *name, const char *value);
void prom_close(struct prom *p, enum prom_unit unit, int64_t value);

/* All samples of a histogram of ms under the open family, each with the labels that label(p, arg) writes
 * (NULL: none). Bounds go from 1 ms to 12 h, each moved up to the end of its bucket, so that what is counted
 * below it is exact. */
void prom_histogram_ms(struct prom *p, const struct histogram *h, void (*label)(struct prom *p, void *arg),
                       void *arg);

#endif
