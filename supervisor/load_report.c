/* The closing report of `sluice load`; see load_report.h. */
#include "supervisor/load_report.h"

#include "base/exitcode.h"
#include "base/jsonw.h"

#include <inttypes.h>

static double seconds_taken(const struct load_report *report)
{
    const struct load_totals *t = &report->totals;

    if (report->orders->count == t->unsent)
        return 0;
    /* The last order stands for the interval after it: 3,600 orders at 60/s take 60 s, not 59.98. */
    return (double)(t->last_sent_ms - t->started_ms) / 1000.0 + 1 / report->rate_wanted;
}

double load_report_rate(const struct load_report *report)
{
    double seconds = seconds_taken(report);

    return seconds > 0 ? (double)(report->orders->count - report->totals.unsent) / seconds : 0;
}

int load_report_exit_code(const struct load_report *report)
{
    const struct load_totals *t = &report->totals;

    if (t->log_error.text[0] != '\0')
        return EXIT_CODE_IO;
    switch (t->fatal.kind) {
    case AWS_KIND_CREDENTIALS:
    case AWS_KIND_DENIED:
        return EXIT_CODE_NOPERM;
    case AWS_KIND_NOT_FOUND:
    case AWS_KIND_TRANSIENT:
        return EXIT_CODE_UNAVAILABLE;
    default:
        return t->failed > 0 ? EXIT_CODE_NO : EXIT_CODE_OK;
    }
}

void load_report_write_text(const struct load_report *report, struct strbuf *out)
{
    const struct load_totals *t = &report->totals;
    char text[512];

    strbuf_appendf(out,
                   "%" PRId64 " of %" PRId64 " orders acknowledged (%" PRId64
                   " as SNS notifications, %" PRId64 " malformed), %" PRId64 " failed, %" PRId64
                   " not sent\n",
                   t->acknowledged, report->orders->count, t->acknowledged_sns, t->acknowledged_malformed,
                   t->failed, t->unsent);
    strbuf_appendf(out, "%.2f orders/s for %.1f s (wanted %g/s); at most %.1f s behind the schedule\n",
                   load_report_rate(report), seconds_taken(report), report->rate_wanted,
                   (double)t->late_max_ms / 1000.0);
    strbuf_appendf(out, "%" PRId64 " calls, %" PRId64 " orders retried\n", t->calls, t->retried_entries);
    if (t->resent > 0)
        strbuf_appendf(out,
                       "%" PRId64 " orders were sent again without knowing the first fate: they may be in the"
                       " queue twice\n",
                       t->resent);
    if (t->failed_unknown > 0)
        strbuf_appendf(out, "%" PRId64 " of the failed orders may be in the queue all the same\n",
                       t->failed_unknown);
    if (t->interrupted)
        strbuf_append_str(out, "stopped before the end of the schedule\n");
    if (t->log_error.text[0] != '\0')
        strbuf_appendf(out, "%s\n", t->log_error.text);
    if (t->fatal.kind != AWS_KIND_OK)
        strbuf_appendf(out, "gave up: %s\n",
                       aws_result_text(&t->fatal, "SendMessageBatch", text, sizeof text));
    strbuf_appendf(out, "queue %s, order ids %s-..., seed %" PRIu64 "\n", report->queue_url,
                   report->orders->prefix, report->orders->seed);
}

void load_report_write_json(const struct load_report *report, struct strbuf *out)
{
    const struct load_totals *t = &report->totals;
    const struct aws_result *error = t->fatal.kind != AWS_KIND_OK ? &t->fatal : &t->last_error;
    struct jsonw w = JSONW_INIT(out);
    char text[512];

    jsonw_object(&w);
    jsonw_key_str(&w, "queue_url", report->queue_url);
    jsonw_key_int(&w, "orders", report->orders->count);
    jsonw_key_int(&w, "acknowledged", t->acknowledged);
    jsonw_key_int(&w, "acknowledged_sns", t->acknowledged_sns);
    jsonw_key_int(&w, "acknowledged_malformed", t->acknowledged_malformed);
    jsonw_key_int(&w, "failed", t->failed);
    jsonw_key_int(&w, "failed_unknown", t->failed_unknown);
    jsonw_key_int(&w, "unsent", t->unsent);
    jsonw_key_int(&w, "resent", t->resent);
    jsonw_key_int(&w, "retried_entries", t->retried_entries);
    jsonw_key_int(&w, "calls", t->calls);
    jsonw_key_int(&w, "started_ms", t->started_ms);
    jsonw_key_double(&w, "seconds", seconds_taken(report));
    jsonw_key_double(&w, "rate", load_report_rate(report));
    jsonw_key_double(&w, "rate_wanted", report->rate_wanted);
    jsonw_key_int(&w, "late_max_ms", t->late_max_ms);
    jsonw_key_bool(&w, "interrupted", t->interrupted);
    jsonw_key_str(&w, "prefix", report->orders->prefix);
    jsonw_key_int(&w, "seed", (int64_t)report->orders->seed);
    jsonw_key_str(&w, "last_error",
                  error->kind == AWS_KIND_OK ? NULL
                                             : aws_result_text(error, "SendMessageBatch", text, sizeof text));
    jsonw_key_str(&w, "log_error", t->log_error.text[0] != '\0' ? t->log_error.text : NULL);
    jsonw_end_object(&w);
    strbuf_append_char(out, '\n');
}
