/*
 * Pieces of the charts that demo and measure draw: texts, lines, the frame with a white background of its own
 * (so that a chart reads on any page), and round numbers for axes. Pure.
 */
#ifndef SLUICE_SUPERVISOR_SVG_H
#define SLUICE_SUPERVISOR_SVG_H

#include "base/strbuf.h"

#define SVG_COLOR_TEXT "#24292f"
#define SVG_COLOR_QUIET "#57606a"
#define SVG_COLOR_GRID "#d8dee4"

struct svg_text_style {
    int size;
    const char *color;
    const char *anchor; /* start, middle, end */
    int turned;         /* degrees */
    int bold;
};

/* The opening tag, the title (any text) and the background. */
void svg_begin(int width, int height, const char *title, struct strbuf *out);
void svg_end(struct strbuf *out);

/* Any text, with what XML reserves escaped and control characters as spaces. */
void svg_escape(const char *text, struct strbuf *out);
void svg_text(double x, double y, const struct svg_text_style *style, const char *text, struct strbuf *out);
/* more: further attributes with a space in front, or "". */
void svg_line(double x1, double y1, double x2, double y2, const char *color, const char *more,
              struct strbuf *out);

/* Distance of axis ticks for a range 0..max that is to have at most `most` of them: 1, 2 or 5 times a power
 * of ten, at least 1. */
double svg_axis_step(double max, int most);
/* The smallest positive multiple of step that is not below value. */
double svg_round_up(double value, double step);

#endif
