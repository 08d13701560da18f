/*
 * CloudWatch embedded metrics: one JSON line an interval from the table of metrics.h, with what counters and
 * histograms gained since the last line that was taken. Pure; the caller writes the line and keeps the time.
 *
 * Source: "Specification: Embedded metric format", Amazon CloudWatch User Guide: at most 100 metrics a
 * directive and 30 dimensions a set; a metric's value is a number or an array of at most 100 numbers; 1 MB a
 * line. (AWS's own agent also writes {"Values":[],"Counts":[]}, which the specification does not know.)
 */
#ifndef SLUICE_WORKER_EMF_H
#define SLUICE_WORKER_EMF_H

#include "base/err.h"
#include "worker/metrics.h"

enum { EMF_VALUES_MAX = 100 };

/* What was told so far; zeroed at the start. 15 KB. */
struct emf {
    struct metrics_view told;
    struct histogram hists[TELEMETRY_HIST_MAX];
};

/* Appends one line, newline included. Gauges are the view's; counters and histograms are without what was
 * told; a histogram that gained nothing is left out, and one that gained more than EMF_VALUES_MAX values
 * tells as many evenly spaced quantiles of them, the largest last. */
void emf_render(const struct emf *emf, const char *name_space, const struct metrics_view *view,
                int64_t now_ms, struct strbuf *out);
/* The line with this view was taken. */
void emf_told(struct emf *emf, const struct metrics_view *view);

#endif
