/* The picture of a measurement: a panel for each row, visible messages as an area, completed orders and what
 * the slots allow as lines. See measure.h. Pure. */
#include "supervisor/measure.h"
#include "supervisor/svg.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum {
    WIDTH = 1000,
    LEFT = 74,
    RIGHT = 970,
    FIRST_TOP = 112,
    PANEL_HEIGHT = 150,
    PANEL_STEP = 212,
    BELOW = 16
};
enum { TICKS_X = 12, TICKS_Y = 4, POINTS_MAX = 400 }; /* more points than pixels show nothing */

#define COLOR_DEPTH "#3b6fb6"
#define COLOR_DONE "#1a7f37"
#define COLOR_PAID "#d9730d"
#define COLOR_LIMIT "#cf222e"

struct panel {
    const struct measure_row *row;
    double top, bottom; /* pixels */
    double t_max_s, t_step_s;
    double y_max, y_step;
};

static double into_row_s(const struct measure_row *row, size_t i)
{
    double t_s = (double)(row->samples.all[i].t_ms - row->start_ms) / 1000.0;

    return t_s < 0 ? 0 : t_s;
}

static struct panel panel_of(const struct measure_row *row, size_t index)
{
    double t_max_s = into_row_s(row, row->samples.count - 1);
    struct panel p = {.row = row, .top = (double)(FIRST_TOP + (int)index * PANEL_STEP)};

    p.bottom = p.top + PANEL_HEIGHT;
    p.t_step_s = svg_axis_step(t_max_s, TICKS_X);
    p.t_max_s = svg_round_up(t_max_s, p.t_step_s / 2);
    p.y_step = svg_axis_step((double)row->setup.orders, TICKS_Y);
    p.y_max = svg_round_up((double)row->setup.orders, p.y_step);
    return p;
}

static double x_of(const struct panel *p, double t_s)
{
    return LEFT + (RIGHT - LEFT) * fmin(t_s, p->t_max_s) / p->t_max_s;
}

static double y_of(const struct panel *p, double value)
{
    return p->bottom - (p->bottom - p->top) * value / p->y_max;
}

static void draw_axes(const struct panel *p, struct strbuf *out)
{
    static const struct svg_text_style beside = {.size = 12, .color = SVG_COLOR_QUIET, .anchor = "end"};
    static const struct svg_text_style below = {.size = 12, .color = SVG_COLOR_QUIET, .anchor = "middle"};
    char text[32];

    for (int i = 0; i * p->y_step <= p->y_max * 1.0001; i++) {
        double y = y_of(p, i * p->y_step);
        svg_line(LEFT, y, RIGHT, y, SVG_COLOR_GRID, "", out);
        (void)snprintf(text, sizeof text, "%.0f", i * p->y_step);
        svg_text(LEFT - 8, y + 4, &beside, text, out);
    }
    for (int i = 0; i * p->t_step_s <= p->t_max_s * 1.0001; i++) {
        double x = x_of(p, i * p->t_step_s);
        svg_line(x, p->bottom, x, p->bottom + 5, SVG_COLOR_QUIET, "", out);
        (void)snprintf(text, sizeof text, "%.0f", i * p->t_step_s);
        svg_text(x, p->bottom + 18, &below, text, out);
    }
    svg_line(LEFT, p->bottom, RIGHT, p->bottom, SVG_COLOR_QUIET, "", out);
}

/* Every how many samples one is drawn. */
static size_t stride_of(const struct measure_row *row)
{
    return 1 + row->samples.count / POINTS_MAX;
}

/* The last sample is always drawn. */
static size_t next_point(const struct measure_row *row, size_t i)
{
    size_t last = row->samples.count - 1;
    size_t next = i + stride_of(row);

    return i == last || next < last ? next : last;
}

static void draw_depth(const struct panel *p, struct strbuf *out)
{
    const struct measure_row *row = p->row;

    strbuf_appendf(
        out, "<path fill=\"" COLOR_DEPTH "\" fill-opacity=\"0.3\" stroke=\"" COLOR_DEPTH "\" d=\"M%.1f %.1f",
        x_of(p, 0), p->bottom);
    for (size_t i = 0; i < row->samples.count; i = next_point(row, i))
        strbuf_appendf(out, "L%.1f %.1f", x_of(p, into_row_s(row, i)),
                       y_of(p, (double)row->samples.all[i].visible));
    strbuf_appendf(out, "L%.1f %.1fZ\"/>\n", x_of(p, into_row_s(row, row->samples.count - 1)), p->bottom);
}

static void draw_count(const struct panel *p, const char *color, bool paid, struct strbuf *out)
{
    const struct measure_row *row = p->row;

    strbuf_appendf(out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"", color);
    for (size_t i = 0; i < row->samples.count; i = next_point(row, i)) {
        const struct measure_sample *s = &row->samples.all[i];
        strbuf_appendf(out, "%.1f,%.1f ", x_of(p, into_row_s(row, i)),
                       y_of(p, (double)(paid ? s->paid : s->deleted)));
    }
    strbuf_append_str(out, "\"/>\n");
}

/* Where the limit alone would be. */
static void draw_limit(const struct panel *p, struct strbuf *out)
{
    double orders = (double)p->row->setup.orders;
    double end_s = fmin(orders / p->row->figures.limit_rate, p->t_max_s);

    svg_line(x_of(p, 0), y_of(p, 0), x_of(p, end_s), y_of(p, end_s * p->row->figures.limit_rate), COLOR_LIMIT,
             " stroke-dasharray=\"3 3\"", out);
}

static void draw_panel(const struct panel *p, struct strbuf *out)
{
    static const struct svg_text_style head = {
        .size = 13, .color = SVG_COLOR_TEXT, .anchor = "start", .bold = 1};
    const struct measure_row *row = p->row;
    const struct measure_figures *f = &row->figures;
    char text[240];

    (void)snprintf(text, sizeof text,
                   "%" PRId64 " %s: true %.3f/s of %.3f/s; apparent %.2f/s in the first minute; %" PRId64
                   " paid twice, %" PRId64 " left",
                   row->setup.threads, measure_row_word(row), f->true_rate, f->limit_rate, f->apparent_rate,
                   f->duplicates, f->undeleted);
    svg_text(LEFT, p->top - 10, &head, text, out);
    draw_axes(p, out);
    draw_depth(p, out);
    if (row->setup.naive)
        draw_count(p, COLOR_PAID, true, out);
    draw_count(p, COLOR_DONE, false, out);
    draw_limit(p, out);
}

static void draw_legend(bool naive, struct strbuf *out)
{
    static const struct svg_text_style style = {.size = 13, .color = SVG_COLOR_TEXT, .anchor = "start"};
    static const struct {
        const char *text, *color;
    } entries[] = {
        {"visible (depth)", COLOR_DEPTH},
        {"completed: deleted", COLOR_DONE},
        {"what the slots allow", COLOR_LIMIT},
        {"paid at least once", COLOR_PAID},
    };
    double x = LEFT;

    for (size_t i = 0; i < (naive ? 4 : 3); i++) {
        svg_line(x, 69, x + 22, 69, entries[i].color, " stroke-width=\"3\"", out);
        svg_text(x + 28, 73, &style, entries[i].text, out);
        x += 190;
    }
}

static size_t measured_rows(const struct measure *m)
{
    size_t count = 0;

    for (size_t i = 0; i < m->row_count; i++)
        count += m->rows[i].measured;
    return count;
}

void measure_chart_write(const struct measure *measure, struct strbuf *out)
{
    static const struct svg_text_style title = {
        .size = 18, .color = SVG_COLOR_TEXT, .anchor = "start", .bold = 1};
    static const struct svg_text_style subtitle = {.size = 13, .color = SVG_COLOR_QUIET, .anchor = "start"};
    const struct measure_setup *setup = &measure->rows[0].setup;
    size_t drawn = 0;
    char text[200];

    (void)snprintf(text, sizeof text, "%s drains %" PRId64 " orders",
                   setup->naive ? "A naive consumer" : "One sluice-worker", setup->orders);
    svg_begin(WIDTH, FIRST_TOP + (int)measured_rows(measure) * PANEL_STEP + BELOW, text, out);
    svg_text(LEFT, 28, &title, text, out);
    (void)snprintf(text, sizeof text,
                   "%" PRId64
                   " payments of %g s at once; orders over product seconds since the first receive; "
                   "measured at speed %" PRId64,
                   setup->slots, (double)setup->service_ms / 1000.0, measure->speed);
    svg_text(LEFT, 48, &subtitle, text, out);
    draw_legend(setup->naive, out);
    for (size_t i = 0; i < measure->row_count; i++) {
        if (!measure->rows[i].measured)
            continue;
        struct panel panel = panel_of(&measure->rows[i], drawn++);
        draw_panel(&panel, out);
    }
    svg_end(out);
}
