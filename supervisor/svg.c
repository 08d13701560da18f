/* Pieces of SVG charts; see svg.h. Pure. */
#include "supervisor/svg.h"

#include <math.h>

double svg_axis_step(double max, int most)
{
    double step = 1;

    for (;;) {
        static const double factors[] = {1, 2, 5};
        for (size_t i = 0; i < sizeof factors / sizeof factors[0]; i++)
            if (max / (step * factors[i]) <= most)
                return step * factors[i];
        step *= 10;
    }
}

double svg_round_up(double value, double step)
{
    double up = ceil(value / step) * step;

    return up < step ? step : up;
}

void svg_escape(const char *text, struct strbuf *out)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&':
            strbuf_append_str(out, "&amp;");
            break;
        case '<':
            strbuf_append_str(out, "&lt;");
            break;
        case '>':
            strbuf_append_str(out, "&gt;");
            break;
        case '"':
            strbuf_append_str(out, "&quot;");
            break;
        default:
            strbuf_append_char(out, (unsigned char)*text < 0x20 ? ' ' : *text);
        }
    }
}

void svg_text(double x, double y, const struct svg_text_style *style, const char *text, struct strbuf *out)
{
    strbuf_appendf(out, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%d\" fill=\"%s\" text-anchor=\"%s\"", x, y,
                   style->size, style->color, style->anchor);
    if (style->bold)
        strbuf_append_str(out, " font-weight=\"bold\"");
    if (style->turned != 0)
        strbuf_appendf(out, " transform=\"rotate(%d %.1f %.1f)\"", style->turned, x, y);
    strbuf_append_char(out, '>');
    svg_escape(text, out);
    strbuf_append_str(out, "</text>\n");
}

void svg_line(double x1, double y1, double x2, double y2, const char *color, const char *more,
              struct strbuf *out)
{
    strbuf_appendf(out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"%s/>\n", x1, y1,
                   x2, y2, color, more);
}

void svg_begin(int width, int height, const char *title, struct strbuf *out)
{
    strbuf_appendf(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\""
        " font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\" role=\"img\">\n<title>",
        width, height, width, height);
    svg_escape(title, out);
    strbuf_appendf(out, "</title>\n<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", width, height);
}

void svg_end(struct strbuf *out)
{
    strbuf_append_str(out, "</svg>\n");
}
