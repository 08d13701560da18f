/* Draws the demo's chart; see demo_chart.h. Pure. */
#include "supervisor/demo_chart.h"

#include "supervisor/svg.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 1000, HEIGHT = 560, LEFT = 74, RIGHT = 926, TOP = 122, BOTTOM = 486 };
enum { PANEL_MIDDLE = 560, PANEL_GAP = 18 }; /* two panels: left of the middle and right of it */
enum { TICKS_X = 12, TICKS_Y = 8, MARK_ROWS = 3, MARK_ROW_HEIGHT = 14, MARK_LETTER_WIDTH = 7 };

#define COLOR_DEPTH "#3b6fb6"
#define COLOR_FLIGHT "#d9730d"
#define COLOR_WORKERS "#1a7f37"
#define COLOR_DRAINING "#8250df"
#define COLOR_KILL "#cf222e"

/* A stretch of time and where it is drawn. */
struct panel {
    double from_s, to_s, step_s;
    double left, right; /* pixels */
};

struct scale {
    struct panel panels[2];
    int panel_count;
    double messages_max, workers_max;
    double messages_step, workers_step;
};

static void lay_out_panels(const struct demo_chart *chart, double t_max, struct scale *scale)
{
    double step = svg_axis_step(t_max, TICKS_X);

    scale->panel_count = 1;
    scale->panels[0] =
        (struct panel){.to_s = svg_round_up(t_max, step / 2), .step_s = step, .left = LEFT, .right = RIGHT};
    if (chart->split_s <= 0 || chart->split_s >= t_max)
        return;
    scale->panel_count = 2;
    step = svg_axis_step(chart->split_s, TICKS_X);
    scale->panels[0] = (struct panel){
        .to_s = chart->split_s, .step_s = step, .left = LEFT, .right = PANEL_MIDDLE - PANEL_GAP / 2.0};
    step = svg_axis_step(t_max - chart->split_s, TICKS_X / 2);
    scale->panels[1] = (struct panel){.from_s = chart->split_s,
                                      .to_s = svg_round_up(t_max, step / 4),
                                      .step_s = step,
                                      .left = PANEL_MIDDLE + PANEL_GAP / 2.0,
                                      .right = RIGHT};
}

static struct scale scale_of(const struct demo_chart *chart)
{
    double t = 1, messages = 1, workers = 1;

    for (size_t i = 0; i < chart->samples->count; i++) {
        const struct demo_sample *s = &chart->samples->all[i];
        t = fmax(t, s->t_s);
        messages = fmax(messages, fmax((double)s->visible, (double)s->in_flight));
        workers = fmax(workers, (double)(demo_sample_workers(s) + s->draining));
    }
    for (size_t i = 0; i < chart->mark_count; i++)
        t = fmax(t, chart->marks[i].t_s);
    struct scale scale = {.messages_step = svg_axis_step(messages * 1.02, TICKS_Y),
                          .workers_step = svg_axis_step(workers * 1.05, TICKS_Y)};
    scale.messages_max = svg_round_up(messages * 1.02, scale.messages_step);
    scale.workers_max = svg_round_up(workers * 1.05, scale.workers_step);
    lay_out_panels(chart, t, &scale);
    return scale;
}

static double x_of(const struct scale *scale, double t_s)
{
    const struct panel *p = &scale->panels[0];

    if (scale->panel_count == 2 && t_s > p->to_s)
        p++;
    return p->left + (p->right - p->left) * (t_s - p->from_s) / (p->to_s - p->from_s);
}

static double y_of(double value, double max)
{
    return BOTTOM - (BOTTOM - TOP) * value / max;
}

/* ---- axes ---- */

static void draw_time_axis(const struct scale *scale, const struct panel *panel, struct strbuf *out)
{
    static const struct svg_text_style below = {.size = 12, .color = SVG_COLOR_QUIET, .anchor = "middle"};
    char text[32];

    svg_line(panel->left, BOTTOM, panel->right, BOTTOM, SVG_COLOR_QUIET, "", out);
    int first = (int)ceil(panel->from_s / panel->step_s);
    for (int i = first; i * panel->step_s <= panel->to_s * 1.0001; i++) {
        double v = i * panel->step_s;
        double x = x_of(scale, v);
        svg_line(x, BOTTOM, x, BOTTOM + 5, SVG_COLOR_QUIET, "", out);
        /* The end of the left panel and the start of the right one are the same time: say it once. */
        if (panel == &scale->panels[0] || v > panel->from_s) {
            (void)snprintf(text, sizeof text, "%.0f", v);
            svg_text(x, BOTTOM + 20, &below, text, out);
        }
    }
}

static void draw_axes(const struct scale *scale, struct strbuf *out)
{
    static const struct svg_text_style beside = {.size = 12, .color = COLOR_DEPTH, .anchor = "end"};
    static const struct svg_text_style opposite = {.size = 12, .color = COLOR_WORKERS, .anchor = "start"};
    char text[32];

    for (int i = 0; i * scale->messages_step <= scale->messages_max * 1.0001; i++) {
        double v = i * scale->messages_step;
        double y = y_of(v, scale->messages_max);
        svg_line(LEFT, y, RIGHT, y, SVG_COLOR_GRID, "", out);
        (void)snprintf(text, sizeof text, "%.0f", v);
        svg_text(LEFT - 8, y + 4, &beside, text, out);
    }
    for (int i = 0; i * scale->workers_step <= scale->workers_max * 1.0001; i++) {
        double v = i * scale->workers_step;
        double y = y_of(v, scale->workers_max);
        svg_line(RIGHT, y, RIGHT + 5, y, COLOR_WORKERS, "", out);
        (void)snprintf(text, sizeof text, "%.0f", v);
        svg_text(RIGHT + 9, y + 4, &opposite, text, out);
    }
    for (int i = 0; i < scale->panel_count; i++)
        draw_time_axis(scale, &scale->panels[i], out);
    svg_line(RIGHT, TOP, RIGHT, BOTTOM, COLOR_WORKERS, "", out);
    svg_line(LEFT, TOP, LEFT, BOTTOM, COLOR_DEPTH, "", out);
}

static void draw_titles(const struct demo_chart *chart, struct strbuf *out)
{
    static const struct svg_text_style title = {
        .size = 18, .color = SVG_COLOR_TEXT, .anchor = "start", .bold = 1};
    static const struct svg_text_style subtitle = {.size = 13, .color = SVG_COLOR_QUIET, .anchor = "start"};
    static const struct svg_text_style time = {.size = 13, .color = SVG_COLOR_QUIET, .anchor = "middle"};
    static const struct svg_text_style left = {
        .size = 13, .color = COLOR_DEPTH, .anchor = "middle", .turned = -90};
    static const struct svg_text_style right = {
        .size = 13, .color = COLOR_WORKERS, .anchor = "middle", .turned = 90};

    svg_text(LEFT, 28, &title, chart->title, out);
    svg_text(LEFT, 48, &subtitle, chart->subtitle, out);
    svg_text((LEFT + RIGHT) / 2.0, BOTTOM + 58, &time, "time since the start of the sale (product seconds)",
             out);
    svg_text(22, (TOP + BOTTOM) / 2.0, &left, "messages", out);
    svg_text(WIDTH - 24, (TOP + BOTTOM) / 2.0, &right, "worker processes", out);
}

static void draw_legend(struct strbuf *out)
{
    static const struct {
        const char *text, *color, *dash;
        int area;
    } entries[] = {
        {"visible (depth)", COLOR_DEPTH, "", 1},
        {"in flight", COLOR_FLIGHT, "", 0},
        {"workers ready + starting", COLOR_WORKERS, "", 0},
        {"workers draining", COLOR_DRAINING, " stroke-dasharray=\"4 3\"", 0},
    };
    static const int widths[] = {140, 100, 212, 140};
    static const struct svg_text_style style = {.size = 13, .color = SVG_COLOR_TEXT, .anchor = "start"};
    double x = LEFT;

    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        if (entries[i].area)
            strbuf_appendf(
                out,
                "<rect x=\"%.1f\" y=\"62\" width=\"22\" height=\"10\" fill=\"%s\" fill-opacity=\"0.3\"/>\n",
                x, entries[i].color);
        strbuf_appendf(
            out, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"%s\" stroke-width=\"2\"%s/>\n",
            x, entries[i].area ? 62 : 67, x + 22, entries[i].area ? 62 : 67, entries[i].color,
            entries[i].dash);
        svg_text(x + 28, 71, &style, entries[i].text, out);
        x += widths[i];
    }
}

/* ---- curves ---- */

static void draw_depth(const struct demo_chart *chart, const struct scale *scale, struct strbuf *out)
{
    const struct demo_samples *all = chart->samples;

    strbuf_appendf(out, "<path fill=\"" COLOR_DEPTH "\" fill-opacity=\"0.3\" stroke=\"none\" d=\"M%.1f %d",
                   x_of(scale, all->all[0].t_s), BOTTOM);
    for (size_t i = 0; i < all->count; i++)
        strbuf_appendf(out, "L%.1f %.1f", x_of(scale, all->all[i].t_s),
                       y_of((double)all->all[i].visible, scale->messages_max));
    strbuf_appendf(out, "L%.1f %dZ\"/>\n", x_of(scale, all->all[all->count - 1].t_s), BOTTOM);
}

static void draw_line(const struct demo_chart *chart, const struct scale *scale, const char *color,
                      int in_flight, struct strbuf *out)
{
    strbuf_appendf(
        out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" stroke-linejoin=\"round\" points=\"",
        color);
    for (size_t i = 0; i < chart->samples->count; i++) {
        const struct demo_sample *s = &chart->samples->all[i];
        strbuf_appendf(out, "%.1f,%.1f ", x_of(scale, s->t_s),
                       y_of((double)(in_flight ? s->in_flight : s->visible), scale->messages_max));
    }
    strbuf_append_str(out, "\"/>\n");
}

static void draw_steps(const struct demo_chart *chart, const struct scale *scale, const char *color,
                       const char *more, int draining, struct strbuf *out)
{
    strbuf_appendf(out, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\"%s d=\"", color, more);
    for (size_t i = 0; i < chart->samples->count; i++) {
        const struct demo_sample *s = &chart->samples->all[i];
        double y = y_of((double)(draining ? s->draining : demo_sample_workers(s)), scale->workers_max);
        if (i == 0)
            strbuf_appendf(out, "M%.1f %.1f", x_of(scale, s->t_s), y);
        else
            strbuf_appendf(out, "H%.1fV%.1f", x_of(scale, s->t_s), y);
    }
    strbuf_append_str(out, "\"/>\n");
}

/* White over what runs from one panel into the other, and what each of them shows. */
static void draw_split(const struct scale *scale, struct strbuf *out)
{
    static const struct svg_text_style style = {.size = 12, .color = SVG_COLOR_QUIET, .anchor = "middle"};

    if (scale->panel_count < 2)
        return;
    strbuf_appendf(out, "<rect x=\"%.1f\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n",
                   PANEL_MIDDLE - PANEL_GAP / 2.0 + 1, TOP - 4, PANEL_GAP - 2, BOTTOM - TOP + 8);
    svg_text((scale->panels[0].left + scale->panels[0].right) / 2, BOTTOM + 36, &style,
             "the sale and its drain", out);
    svg_text((scale->panels[1].left + scale->panels[1].right) / 2, BOTTOM + 36, &style,
             "the scale-in, at another scale of time", out);
}

/* Texts of marks that stand close to each other are put in different rows. */
static void draw_marks(const struct demo_chart *chart, const struct scale *scale, struct strbuf *out)
{
    double row_end[MARK_ROWS] = {0};

    for (size_t i = 0; i < chart->mark_count; i++) {
        const struct demo_chart_mark *mark = &chart->marks[i];
        double x = x_of(scale, mark->t_s);
        const char *color = mark->is_kill ? COLOR_KILL : SVG_COLOR_QUIET;
        struct svg_text_style style = {.size = 12, .color = color, .anchor = "start"};
        int row = 0;

        while (row < MARK_ROWS - 1 && row_end[row] > x)
            row++;
        row_end[row] = x + 8 + MARK_LETTER_WIDTH * (double)strlen(mark->text);
        double y = TOP - 4 - row * MARK_ROW_HEIGHT;
        svg_line(x, y - 8, x, BOTTOM, color, " stroke-dasharray=\"2 3\" stroke-width=\"1.5\"", out);
        svg_text(x + 4, y, &style, mark->text, out);
    }
}

void demo_chart_write(const struct demo_chart *chart, struct strbuf *out)
{
    struct scale scale = scale_of(chart);

    svg_begin(WIDTH, HEIGHT, chart->title, out);
    draw_titles(chart, out);
    draw_legend(out);
    draw_axes(&scale, out);
    if (chart->samples->count > 0) {
        draw_depth(chart, &scale, out);
        draw_line(chart, &scale, COLOR_DEPTH, 0, out);
        draw_line(chart, &scale, COLOR_FLIGHT, 1, out);
        draw_steps(chart, &scale, COLOR_DRAINING, " stroke-dasharray=\"4 3\"", 1, out);
        draw_steps(chart, &scale, COLOR_WORKERS, "", 0, out);
    }
    draw_split(&scale, out);
    draw_marks(chart, &scale, out);
    svg_end(out);
}
