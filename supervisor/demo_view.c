/* The live view of a demo; see demo_view.h. */
#include "supervisor/demo_view.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LABEL_COLUMNS = 14, COLUMNS_MIN = 60, COLUMNS_MAX = 160, REDRAW_REAL_MS = 100, PLAIN_EVERY_S = 10 };

#define CURSOR_HIDE "\033[?25l"
#define CURSOR_SHOW "\033[?25h"
#define LINE_REST_CLEAR "\033[K"

enum paint { PAINT_PLAIN, PAINT_DIM, PAINT_DEPTH, PAINT_FLIGHT, PAINT_READY, PAINT_STARTING, PAINT_STOPPING };

static const char *const PAINTS[] = {
    [PAINT_PLAIN] = "",
    [PAINT_DIM] = "\033[2m",
    [PAINT_DEPTH] = "\033[34m",
    [PAINT_FLIGHT] = "\033[36m",
    [PAINT_READY] = "\033[32m",
    [PAINT_STARTING] = "\033[33m",
    [PAINT_STOPPING] = "\033[35m",
};

/* ---- pieces ---- */

static void paint(const struct demo_view_style *style, enum paint paint, struct strbuf *out)
{
    if (style->color)
        strbuf_append_str(out, paint == PAINT_PLAIN ? "\033[0m" : PAINTS[paint]);
}

/* Text of at most `columns` characters (UTF-8 code points); control characters become blanks. */
static void append_cut(const char *text, int columns, struct strbuf *out)
{
    for (int used = 0; *text != '\0'; text++) {
        bool starts = ((unsigned char)*text & 0xc0) != 0x80;
        if (starts && used++ == columns)
            return;
        strbuf_append_char(out, (unsigned char)*text < 0x20 ? ' ' : *text);
    }
}

static void append_label(const char *label, const struct demo_view_style *style, struct strbuf *out)
{
    paint(style, PAINT_DIM, out);
    strbuf_appendf(out, "%-*s", LABEL_COLUMNS, label);
    paint(style, PAINT_PLAIN, out);
}

static void append_cells(int64_t cells, const char *utf8_cell, char cell, const struct demo_view_style *style,
                         struct strbuf *out)
{
    for (int64_t i = 0; i < cells; i++) {
        if (style->utf8)
            strbuf_append_str(out, utf8_cell);
        else
            strbuf_append_char(out, cell);
    }
}

/* Cells for a value on a bar of `room` cells whose full length is `full`; something is never nothing. */
static int64_t cells_of(int64_t value, int64_t full, int64_t room)
{
    if (value <= 0 || full <= 0 || room <= 0)
        return 0;
    int64_t cells = (value * room + full / 2) / full;
    if (cells < 1)
        cells = 1;
    return cells > room ? room : cells;
}

static void append_bar_line(const char *label, int64_t value, int64_t full, enum paint color,
                            const struct demo_view_style *style, const char *after, struct strbuf *out)
{
    int64_t room = style->columns - LABEL_COLUMNS - 1 - (int64_t)strlen(after);
    int64_t cells = cells_of(value, full, room);

    append_label(label, style, out);
    paint(style, color, out);
    append_cells(cells, "█", '#', style, out);
    paint(style, PAINT_DIM, out);
    append_cells(room - cells, "·", '.', style, out);
    paint(style, PAINT_PLAIN, out);
    strbuf_appendf(out, " %s\n", after);
}

static void append_workers_line(const struct demo_view_sale *sale, const struct demo_sample *s,
                                const struct demo_view_style *style, struct strbuf *out)
{
    char after[96];

    (void)snprintf(after, sizeof after, "%" PRId64 " ready %" PRId64 " starting %" PRId64 " stopping",
                   s->ready, s->starting, s->draining);
    int64_t room = style->columns - LABEL_COLUMNS - 1 - (int64_t)strlen(after);
    /* One cell a worker where there is room for all. */
    int64_t all = s->ready + s->starting + s->draining;
    int64_t full = all > sale->max ? all : sale->max;
    int64_t span = full < room ? full : room;
    int64_t ready = cells_of(s->ready, full, span);
    int64_t starting = cells_of(s->starting, full, span - ready);
    int64_t stopping = cells_of(s->draining, full, span - ready - starting);

    if (full <= room) {
        ready = s->ready;
        starting = s->starting;
        stopping = s->draining;
    }
    append_label("workers", style, out);
    paint(style, PAINT_READY, out);
    append_cells(ready, "█", 'R', style, out);
    paint(style, PAINT_STARTING, out);
    append_cells(starting, "▒", 's', style, out);
    paint(style, PAINT_STOPPING, out);
    append_cells(stopping, "░", 'x', style, out);
    paint(style, PAINT_DIM, out);
    append_cells(span - ready - starting - stopping, "·", '.', style, out);
    paint(style, PAINT_PLAIN, out);
    append_cells(room - span, " ", ' ', style, out);
    strbuf_appendf(out, " %s\n", after);
}

static void append_text_line(const char *label, const char *text, const struct demo_view_style *style,
                             struct strbuf *out)
{
    append_label(label, style, out);
    append_cut(text, style->columns - LABEL_COLUMNS, out);
    strbuf_append_char(out, '\n');
}

/* ---- the whole ---- */

void demo_view_render(const struct demo_view_sale *sale, const struct demo_view_now *now,
                      const char (*events)[DEMO_VIEW_EVENT_BYTES], size_t event_count,
                      const struct demo_view_style *style, struct strbuf *out)
{
    const struct demo_sample *s = &now->sample;
    char text[256];
    int64_t depth_full = now->peak_visible > 100 ? now->peak_visible : 100;

    (void)snprintf(text, sizeof text, "Flash sale: %g orders/s for %g s, time x%" PRId64 "   t = %.0f s   %s",
                   sale->rate, (double)sale->duration_ms / 1000.0, sale->speed, s->t_s, now->act);
    append_cut(text, style->columns, out);
    strbuf_append_str(out, "\n\n");
    (void)snprintf(text, sizeof text, "%" PRId64 " / %" PRId64 " (%3" PRId64 "%%)", s->completed,
                   sale->orders, sale->orders > 0 ? s->completed * 100 / sale->orders : 0);
    append_bar_line("orders paid", s->completed, sale->orders, PAINT_READY, style, text, out);
    (void)snprintf(text, sizeof text, "%6" PRId64, s->visible);
    append_bar_line("depth", s->visible, depth_full, PAINT_DEPTH, style, text, out);
    (void)snprintf(text, sizeof text, "%6" PRId64, s->in_flight);
    append_bar_line("in flight", s->in_flight, depth_full, PAINT_FLIGHT, style, text, out);
    append_workers_line(sale, s, style, out);
    (void)snprintf(text, sizeof text, "%.1f completed/s, %.1f/s by the fall of depth (apparent)",
                   now->rates.completed_per_s, now->rates.apparent_per_s);
    append_text_line("rate", text, style, out);
    append_text_line("decision", now->decision, style, out);
    for (size_t i = 0; i < DEMO_VIEW_EVENTS; i++)
        append_text_line(i == 0 ? "events" : "", i < event_count ? events[i] : "", style, out);
    strbuf_append_char(out, '\n');
}

void demo_view_render_line(const struct demo_view_sale *sale, const struct demo_view_now *now,
                           struct strbuf *out)
{
    const struct demo_sample *s = &now->sample;

    strbuf_appendf(out,
                   "%5.0f s  %s: depth %" PRId64 ", in flight %" PRId64 ", workers %" PRId64 " ready %" PRId64
                   " starting %" PRId64 " stopping, paid %" PRId64 "/%" PRId64
                   ", %.1f completed/s, %.1f/s apparent",
                   s->t_s, now->act, s->visible, s->in_flight, s->ready, s->starting, s->draining,
                   s->completed, sale->orders, now->rates.completed_per_s, now->rates.apparent_per_s);
    if (now->decision[0] != '\0')
        strbuf_appendf(out, "; %s", now->decision);
    strbuf_append_char(out, '\n');
}

/* ---- output ---- */

static void put(const struct strbuf *text)
{
    size_t done = 0;

    while (done < text->len) {
        ssize_t n = write(STDOUT_FILENO, text->data + done, text->len - done);
        if (n <= 0)
            return; /* a reader that went away is no reason to stop a sale */
        done += (size_t)n;
    }
}

static bool is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && *value != '\0')
            return strcasestr(value, "utf-8") != NULL || strcasestr(value, "utf8") != NULL;
    }
    return false;
}

/* Width of the terminal now, or 0 when the block does not fit. */
static int usable_columns(void)
{
    struct winsize size = {.ws_col = 0};

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 80;
    if (size.ws_col < COLUMNS_MIN || size.ws_row <= DEMO_VIEW_LINES)
        return 0;
    return size.ws_col > COLUMNS_MAX ? COLUMNS_MAX : size.ws_col;
}

static void redraw(struct demo_view *view)
{
    struct strbuf block = STRBUF_INIT, out = STRBUF_INIT;
    int columns = usable_columns();

    if (columns == 0)
        return;
    view->style.columns = columns;
    view->now.decision = view->decision;
    demo_view_render(&view->sale, &view->now, (const char(*)[DEMO_VIEW_EVENT_BYTES])view->events,
                     view->event_count, &view->style, &block);
    strbuf_append_str(&out, view->drawn ? "" : CURSOR_HIDE);
    if (view->drawn)
        strbuf_appendf(&out, "\033[%dA\r", DEMO_VIEW_LINES);
    for (const char *line = strbuf_str(&block); *line != '\0';) {
        size_t len = strcspn(line, "\n");
        strbuf_append(&out, line, len);
        strbuf_append_str(&out, LINE_REST_CLEAR "\n");
        line += len + (line[len] == '\n');
    }
    put(&out);
    view->drawn = true;
    view->drawn_at_mono_ms = clock_mono_ms();
    strbuf_clean_up(&block);
    strbuf_clean_up(&out);
}

void demo_view_init(struct demo_view *view, const struct demo_view_sale *sale, bool quiet, bool color)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

    *view = (struct demo_view){.sale = *sale, .quiet = quiet, .now = {.act = "start"}};
    view->terminal = isatty(STDOUT_FILENO) == 1 && term != NULL && *term != '\0' &&
                     strcmp(term, "dumb") != 0 && usable_columns() != 0;
    view->style.color = color && view->terminal && (no_color == NULL || *no_color == '\0');
    view->style.utf8 = is_utf8();
}

void demo_view_close(struct demo_view *view)
{
    if (!view->drawn)
        return;
    redraw(view);
    view->drawn = false;
    struct strbuf out = STRBUF_INIT;
    strbuf_append_str(&out, CURSOR_SHOW);
    put(&out);
    strbuf_clean_up(&out);
}

void demo_view_event(struct demo_view *view, const char *fmt, ...)
{
    char text[DEMO_VIEW_EVENT_BYTES - 16];
    va_list args;

    if (view->quiet)
        return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (view->event_count == DEMO_VIEW_EVENTS) {
        memmove(view->events[0], view->events[1], sizeof view->events[0] * (DEMO_VIEW_EVENTS - 1));
        view->event_count--;
    }
    char *event = view->events[view->event_count++];
    if (view->in_sale)
        (void)snprintf(event, DEMO_VIEW_EVENT_BYTES, "%5.0f s  %s", view->t_s, text);
    else
        (void)snprintf(event, DEMO_VIEW_EVENT_BYTES, "         %s", text);
    if (view->terminal) {
        redraw(view);
        return;
    }
    struct strbuf line = STRBUF_INIT;
    strbuf_appendf(&line, "%s\n", event);
    put(&line);
    strbuf_clean_up(&line);
}

void demo_view_update(struct demo_view *view, const struct demo_view_now *now)
{
    view->t_s = now->sample.t_s;
    view->in_sale = now->in_sale;
    view->now = *now;
    (void)snprintf(view->decision, sizeof view->decision, "%s", now->decision);
    if (view->quiet)
        return;
    if (view->terminal) {
        if (clock_mono_ms() - view->drawn_at_mono_ms >= REDRAW_REAL_MS)
            redraw(view);
        return;
    }
    if (!now->in_sale || now->sample.t_s < view->next_line_s)
        return;
    struct strbuf line = STRBUF_INIT;
    demo_view_render_line(&view->sale, now, &line);
    put(&line);
    strbuf_clean_up(&line);
    while (view->next_line_s <= now->sample.t_s)
        view->next_line_s += PLAIN_EVERY_S;
}
