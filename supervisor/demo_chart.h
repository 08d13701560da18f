/*
 * The picture of a demo as SVG: depth as an area, messages in flight as a line, workers as steps on an axis
 * of their own, kills and the end of the drain as marks. Draws its own white background, so that it reads on
 * any page. Pure.
 */
#ifndef SLUICE_SUPERVISOR_DEMO_CHART_H
#define SLUICE_SUPERVISOR_DEMO_CHART_H

#include "base/strbuf.h"
#include "supervisor/demo_samples.h"

#include <stddef.h>

struct demo_chart_mark {
    double t_s;
    const char *text; /* "kill -9: worker" */
    int is_kill;      /* drawn in red */
};

struct demo_chart {
    const char *title;    /* any text; escaped */
    const char *subtitle; /* likewise */
    const struct demo_samples *samples;
    const struct demo_chart_mark *marks;
    size_t mark_count;
    double split_s; /* from here on time runs in a panel of its own, at another scale; 0: one panel */
};

void demo_chart_write(const struct demo_chart *chart, struct strbuf *out);

#endif
