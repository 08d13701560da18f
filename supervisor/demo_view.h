/*
 * What one sees of a demo while it runs. On a terminal a block of lines that is redrawn in place; elsewhere
 * plain lines, one every ten product seconds and one for each event. Writes to stdout; belongs to the demo's
 * loop.
 */
#ifndef SLUICE_SUPERVISOR_DEMO_VIEW_H
#define SLUICE_SUPERVISOR_DEMO_VIEW_H

#include "base/strbuf.h"
#include "supervisor/demo_samples.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DEMO_VIEW_EVENTS = 5, DEMO_VIEW_EVENT_BYTES = 200, DEMO_VIEW_LINES = 9 + DEMO_VIEW_EVENTS };

/* What does not change. */
struct demo_view_sale {
    int64_t speed;
    double rate;         /* orders per product second */
    int64_t duration_ms; /* product */
    int64_t orders;      /* to be paid */
    int64_t min, max;
};

/* What is now. */
struct demo_view_now {
    const char *act; /* "sale", "drain" ... */
    struct demo_sample sample;
    bool in_sale;
    struct demo_rates rates;
    int64_t peak_visible;
    const char *decision; /* "" none yet */
};

struct demo_view_style {
    int columns;
    bool color;
    bool utf8; /* block characters */
};

struct demo_view {
    struct demo_view_sale sale;
    bool quiet, terminal;
    struct demo_view_style style;
    bool drawn;               /* the block stands on the screen, the cursor below it */
    int64_t drawn_at_mono_ms; /* real */
    double next_line_s;       /* product: of the next plain line */
    struct demo_view_now now; /* of the last update; decision is not kept */
    char decision[256];
    char events[DEMO_VIEW_EVENTS][DEMO_VIEW_EVENT_BYTES]; /* oldest first */
    size_t event_count;
    double t_s; /* product seconds of the last sample, for events */
    bool in_sale;
};

/* color: false forbids it; NO_COLOR, TERM=dumb and a stdout that is no terminal do too. */
void demo_view_init(struct demo_view *view, const struct demo_view_sale *sale, bool quiet, bool color);
/* Shows the cursor again; the block stays as the last thing drawn. Safe to call twice. */
void demo_view_close(struct demo_view *view);

void demo_view_event(struct demo_view *view, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void demo_view_update(struct demo_view *view, const struct demo_view_now *now);

/* The block as DEMO_VIEW_LINES lines without control codes but colours, none longer than style->columns.
 * Pure. */
void demo_view_render(const struct demo_view_sale *sale, const struct demo_view_now *now,
                      const char (*events)[DEMO_VIEW_EVENT_BYTES], size_t event_count,
                      const struct demo_view_style *style, struct strbuf *out);
/* The plain line, with its newline. Pure. */
void demo_view_render_line(const struct demo_view_sale *sale, const struct demo_view_now *now,
                           struct strbuf *out);

#endif
