/* Prometheus text; see prom.h. */
#include "base/prom.h"

#include <inttypes.h>
#include <stddef.h>

/* Wanted upper bounds of histograms, ms. */
static const int64_t BOUNDS_MS[] = {1,    2,    5,     10,    25,    50,     100,    250,     500,     1000,
                                    2500, 5000, 10000, 30000, 60000, 300000, 900000, 3600000, 43200000};

/* Backslash and newline are escaped, and in a label's value the quote. */
static void put_escaped(struct strbuf *out, const char *text, bool quoted)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            strbuf_append_str(out, "\\n");
            continue;
        }
        if (*text == '\\' || (quoted && *text == '"'))
            strbuf_append_char(out, '\\');
        strbuf_append_char(out, *text);
    }
}

static void put_value(struct strbuf *out, enum prom_unit unit, int64_t value)
{
    const char *sign = value < 0 ? "-" : "";
    uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;
    switch (unit) {
    case PROM_COUNT:
        strbuf_appendf(out, "%s%" PRIu64, sign, size);
        return;
    case PROM_MS:
        strbuf_appendf(out, "%s%" PRIu64 ".%03" PRIu64, sign, size / 1000, size % 1000);
        return;
    case PROM_PERCENT:
        strbuf_appendf(out, "%s%" PRIu64 ".%02" PRIu64, sign, size / 100, size % 100);
        return;
    }
}

void prom_family(struct prom *p, const char *name, enum prom_type type, const char *help)
{
    static const char *const TYPES[] = {
        [PROM_COUNTER] = "counter", [PROM_GAUGE] = "gauge", [PROM_HISTOGRAM] = "histogram"};
    p->name = name;
    strbuf_appendf(p->out, "# HELP %s ", name);
    put_escaped(p->out, help, false);
    strbuf_appendf(p->out, "\n# TYPE %s %s\n", name, TYPES[type]);
}

void prom_open(struct prom *p, const char *suffix)
{
    strbuf_append_str(p->out, p->name);
    strbuf_append_str(p->out, suffix);
    p->has_labels = false;
}

static void begin_label(struct prom *p, const char *name)
{
    strbuf_append_char(p->out, p->has_labels ? ',' : '{');
    strbuf_append_str(p->out, name);
    strbuf_append_str(p->out, "=\"");
    p->has_labels = true;
}

void prom_label(struct prom *p, const char *name, const char *value)
{
    begin_label(p, name);
    put_escaped(p->out, value, true);
    strbuf_append_char(p->out, '"');
}

void prom_close(struct prom *p, enum prom_unit unit, int64_t value)
{
    strbuf_append_str(p->out, p->has_labels ? "} " : " ");
    put_value(p->out, unit, value);
    strbuf_append_char(p->out, '\n');
}

static void open_with(struct prom *p, const char *suffix, void (*label)(struct prom *p, void *arg), void *arg)
{
    prom_open(p, suffix);
    if (label != NULL)
        label(p, arg);
}

void prom_histogram_ms(struct prom *p, const struct histogram *h, void (*label)(struct prom *p, void *arg),
                       void *arg)
{
    for (size_t i = 0; i < sizeof BOUNDS_MS / sizeof *BOUNDS_MS; i++) {
        int64_t bound = histogram_high(histogram_bucket(BOUNDS_MS[i]));
        open_with(p, "_bucket", label, arg);
        begin_label(p, "le");
        put_value(p->out, PROM_MS, bound);
        strbuf_append_char(p->out, '"');
        prom_close(p, PROM_COUNT, histogram_count_to(h, bound));
    }
    open_with(p, "_bucket", label, arg);
    prom_label(p, "le", "+Inf");
    prom_close(p, PROM_COUNT, h->count);
    open_with(p, "_sum", label, arg);
    prom_close(p, PROM_MS, h->sum);
    open_with(p, "_count", label, arg);
    prom_close(p, PROM_COUNT, h->count);
}
