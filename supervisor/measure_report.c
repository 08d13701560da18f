/* What a measurement says at the end, as text and as JSON; see measure.h. Pure. */
#include "base/jsonw.h"
#include "supervisor/measure.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static const struct measure_setup *common_setup(const struct measure *m)
{
    return &m->rows[0].setup;
}

const char *measure_row_word(const struct measure_row *row)
{
    if (row->setup.naive)
        return row->setup.threads == 1 ? "naive poller" : "naive pollers";
    return row->setup.threads == 1 ? "thread" : "threads";
}

static double slots_rate(const struct measure *m)
{
    const struct measure_setup *setup = common_setup(m);

    return (double)setup->slots * 1000.0 / (double)setup->service_ms;
}

/* ---- JSON ---- */

static void key_number(struct jsonw *w, const char *key, double value, double unit)
{
    jsonw_key(w, key);
    if (value < 0 || !isfinite(value))
        jsonw_null(w);
    else
        jsonw_double(w, round(value / unit) * unit);
}

static void write_source(struct jsonw *w, const struct measure_source *source)
{
    jsonw_key(w, "source");
    if (source == NULL) {
        jsonw_null(w);
        return;
    }
    jsonw_object(w);
    jsonw_key_int(w, "peak_visible", source->peak);
    jsonw_key_int(w, "drained_min", source->drain_min);
    jsonw_key_double(w, "printed_rate", source->printed_rate);
    key_number(w, "peak_over_drain_rate", measure_source_rate(source), 1e-4);
    key_number(w, "limit_rate", measure_source_limit(), 1e-4);
    key_number(w, "least_min", measure_source_least_min(source), 1e-2);
    jsonw_key_bool(w, "printed_rate_possible", source->printed_rate <= measure_source_limit() + 0.005);
    jsonw_key_bool(w, "drain_possible", (double)source->drain_min >= measure_source_least_min(source));
    jsonw_end_object(w);
}

static void write_row(struct jsonw *w, const struct measure_row *row)
{
    const struct measure_figures *f = &row->figures;

    jsonw_object(w);
    jsonw_key_int(w, "threads", row->setup.threads);
    key_number(w, "true_rate", f->true_rate, 1e-6);
    jsonw_key_double(w, "apparent_rate", f->apparent_rate);
    jsonw_key_int(w, "duplicates", f->duplicates);
    jsonw_key_int(w, "peak_visible", f->peak_visible);
    key_number(w, "drained_s", f->drained_s, 1e-3);
    key_number(w, "cpu_s", f->process.cpu_s, 1e-6);
    jsonw_key_int(w, "peak_rss_kb", f->process.peak_rss_kb);
    jsonw_key_int(w, "process_threads", f->process.threads);
    jsonw_key_double(w, "limit_rate", f->limit_rate);
    key_number(w, "share_of_limit", f->share_of_limit, 1e-6);
    jsonw_key_double(w, "apparent_rate_10s", f->apparent_rate_10s);
    jsonw_key_int(w, "low_visible_first_minute", f->low_visible_first_minute);
    jsonw_key_int(w, "completed", f->completed);
    jsonw_key_int(w, "deleted", f->deleted);
    jsonw_key_int(w, "undeleted", f->undeleted);
    jsonw_key_int(w, "paid_undeleted", f->paid_undeleted);
    jsonw_key_int(w, "payments", f->payments);
    jsonw_key_int(w, "paid_again", f->paid_again);
    key_number(w, "paid_once_s", f->paid_once_s, 1e-3);
    jsonw_key_int(w, "concurrency_max", f->concurrency_max);
    jsonw_key_bool(w, "stopped", f->stopped);
    if (row->setup.naive) {
        jsonw_key_int(w, "pollers", row->setup.threads);
        jsonw_key_int(w, "begun_at_once", measure_concurrency(&row->setup));
    }
    write_source(w, measure_source_find(row->setup.threads));
    jsonw_end_object(w);
}

void measure_report_write_json(const struct measure *measure, struct strbuf *out)
{
    const struct measure_setup *setup = common_setup(measure);
    struct jsonw w = JSONW_INIT(out);

    jsonw_object(&w);
    jsonw_key_int(&w, "orders", setup->orders);
    jsonw_key_int(&w, "slots", setup->slots);
    jsonw_key_double(&w, "service_time_s", (double)setup->service_ms / 1000.0);
    jsonw_key_int(&w, "visibility_timeout_s", MEASURE_VISIBILITY_S);
    jsonw_key_str(&w, "redelivery", measure->redelivery);
    jsonw_key_int(&w, "speed", measure->speed);
    jsonw_key_bool(&w, "naive", setup->naive);
    if (setup->naive)
        jsonw_key_int(&w, "per_poller", setup->per_poller);
    key_number(&w, "wall_s", measure->wall_s, 1e-3);
    jsonw_key_bool(&w, "good", measure->failures.count == 0);
    jsonw_key(&w, "failures");
    jsonw_array(&w);
    for (size_t i = 0; i < measure->failures.count; i++)
        jsonw_str(&w, measure->failures.texts[i]);
    jsonw_end_array(&w);
    jsonw_key(&w, "rows");
    jsonw_array(&w);
    for (size_t i = 0; i < measure->row_count; i++)
        if (measure->rows[i].measured)
            write_row(&w, &measure->rows[i]);
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    strbuf_append_char(out, '\n');
}

/* ---- text ---- */

static void say_setup(const struct measure *m, struct strbuf *out)
{
    const struct measure_setup *setup = common_setup(m);

    strbuf_appendf(out,
                   "One process, %" PRId64 " orders in its queue, %" PRId64
                   " payments of %g s at once: at most %.3f orders/s.\n",
                   setup->orders, setup->slots, (double)setup->service_ms / 1000.0, slots_rate(m));
    if (setup->naive && setup->per_poller > 1)
        strbuf_appendf(out,
                       "Naive consumer: each poller begins %" PRId64
                       " of its ten messages at once; 30 s of visibility, never extended.\n",
                       setup->per_poller);
    else if (setup->naive)
        strbuf_append_str(out,
                          "Naive consumer: each poller begins its ten messages one after another; 30 s of "
                          "visibility, never extended.\n");
    if (setup->naive)
        strbuf_appendf(out, "A message that is visible again stands %s in the queue (--redelivery).\n",
                       m->redelivery);
    strbuf_appendf(out, "Times are product time, %" PRId64 " seconds to a real one; CPU is real.\n\n",
                   m->speed);
}

static const char *minutes(double seconds, char out[static 24])
{
    if (seconds < 0)
        return "never";
    (void)snprintf(out, 24, "%.1f min", seconds / 60);
    return out;
}

static void say_row(const struct measure_row *row, struct strbuf *out)
{
    const struct measure_figures *f = &row->figures;
    char drained[24];

    strbuf_appendf(out,
                   "%7" PRId64 " %6" PRId64 " %10s %8.4f %7.4f %7.2f%% %9.3f %9.3f %6" PRId64 " %6" PRId64
                   " %7.2f %7" PRId64 " %8" PRId64 "\n",
                   row->setup.threads, f->peak_visible, minutes(f->drained_s, drained), f->true_rate,
                   f->limit_rate, f->share_of_limit * 100, f->apparent_rate_10s, f->apparent_rate,
                   f->duplicates, f->undeleted, f->process.cpu_s, f->process.peak_rss_kb, f->process.threads);
}

static void say_rows(const struct measure *m, struct strbuf *out)
{
    bool naive = common_setup(m)->naive;

    strbuf_appendf(out,
                   "%7s %6s %10s %8s %7s %8s %9s %9s %6s %6s %7s %7s %8s\n"
                   "%7s %6s %10s %8s %7s %8s %9s %9s %6s %6s %7s %7s %8s\n",
                   "", "peak", "", "true", "limit", "true of", "apparent", "rate in", "paid", "", "CPU",
                   "peak", "threads", naive ? "pollers" : "threads", "depth", "drained", "rate/s", "/s",
                   "limit", "10 s", "60 s", "twice", "left", "s", "RSS KB", "in /proc");
    for (size_t i = 0; i < m->row_count; i++)
        if (m->rows[i].measured)
            say_row(&m->rows[i], out);
    strbuf_append_str(
        out, "\nTrue: deleted / (last delete acknowledged - first receive answered). Apparent: fall of "
             "the visible count.\n");
}

static void say_naive(const struct measure *m, struct strbuf *out)
{
    strbuf_append_str(out, "\nThe pollers are states of one loop, as goroutines would be, and no threads:\n");
    for (size_t i = 0; i < m->row_count; i++) {
        const struct measure_row *row = &m->rows[i];
        const struct measure_figures *f = &row->figures;
        char once[24];
        if (!row->measured)
            continue;
        strbuf_appendf(out,
                       "%5" PRId64 " poller%s, up to %" PRId64 " messages begun: visible down to %" PRId64
                       " in the first minute;\n      %" PRId64 " payments for %" PRId64 " orders",
                       row->setup.threads, row->setup.threads == 1 ? "" : "s",
                       measure_concurrency(&row->setup), f->low_visible_first_minute, f->payments,
                       f->completed);
        if (f->paid_once_s >= 0)
            strbuf_appendf(out, ", each paid once after %s", minutes(f->paid_once_s, once));
        if (f->stopped)
            strbuf_append_str(out, ", stopped at twice the slots' time");
        if (f->paid_undeleted > 0)
            strbuf_appendf(out, "; %" PRId64 " of them are still in the queue and will be paid again",
                           f->paid_undeleted);
        strbuf_append_char(out, '\n');
    }
    strbuf_append_str(
        out,
        "A message that waits for a slot is off the visible count and not done: the apparent rate counts "
        "it,\n"
        "the true one does not. After 30 s it is visible again and will be received and paid again; the\n"
        "delete after the first payment is void then. That is how apparent rates above the limit, such as\n"
        "the source's 2.48/s, and second payments come about (docs/measure.md).\n");
}

static const char *mark(bool impossible)
{
    return impossible ? "*" : " ";
}

static void say_source_row(const struct measure_source *source, struct strbuf *out)
{
    double limit = measure_source_limit(), least = measure_source_least_min(source);

    /* Printed rates have two decimals. */
    strbuf_appendf(out, "%7" PRId64 " %6" PRId64 " %6" PRId64 " min%s %9.2f/s%s %8.2f/s%s %9.1f min\n",
                   source->threads, source->peak, source->drain_min, mark((double)source->drain_min < least),
                   measure_source_rate(source), mark(measure_source_rate(source) > limit),
                   source->printed_rate, mark(source->printed_rate > limit + 0.005), least);
}

static void say_source(const struct measure *m, struct strbuf *out)
{
    bool any = false;

    for (size_t i = 0; i < m->row_count; i++) {
        const struct measure_source *source = measure_source_find(m->rows[i].setup.threads);
        if (source == NULL)
            continue;
        if (!any)
            strbuf_appendf(
                out, "\nPublished by the source, %d payments of %d s at once:\n%7s %6s %11s %12s %12s %13s\n",
                MEASURE_SOURCE_SLOTS, MEASURE_SOURCE_SERVICE_MS / 1000, "threads", "peak", "drained ",
                "peak/drain ", "printed ", "slots need");
        any = true;
        say_source_row(source, out);
    }
    if (any)
        strbuf_append_str(
            out, "* beyond five payments of 3 s at once (1.667/s): no model of one process reaches it.\n");
}

void measure_report_write_text(const struct measure *measure, struct strbuf *out)
{
    say_setup(measure, out);
    say_rows(measure, out);
    if (common_setup(measure)->naive)
        say_naive(measure, out);
    say_source(measure, out);
    strbuf_appendf(out, "\nTook %.1f real seconds.\n", measure->wall_s);
    if (measure->folder != NULL)
        strbuf_appendf(out, "Files are kept in %s\n", measure->folder);
    if (measure->failures.count > 0)
        strbuf_append_str(out, "Not good:\n");
    for (size_t i = 0; i < measure->failures.count; i++)
        strbuf_appendf(out, "  - %s\n", measure->failures.texts[i]);
}
