/* The closing report of a demo; see demo_report.h. */
#include "supervisor/demo_report.h"

#include "base/jsonw.h"
#include "base/version.h"

#include <inttypes.h>
#include <math.h>
#include <sys/utsname.h>

/* ---- JSON ---- */

/* Whole thousandths: a figure of a simulation of seconds is no better than that. */
static void key_number(struct jsonw *w, const char *key, double value)
{
    if (value < 0 || !isfinite(value)) {
        jsonw_key(w, key);
        jsonw_null(w);
        return;
    }
    jsonw_key_double(w, key, round(value * 1000) / 1000);
}

static void write_counts(const struct demo_report *r, struct jsonw *w)
{
    const struct demo_truth *t = r->truth;

    jsonw_key_int(w, "sent", t->sent);
    jsonw_key_int(w, "sent_malformed", t->sent_malformed);
    jsonw_key_int(w, "messages", t->messages);
    jsonw_key_int(w, "completed_unique", t->completed_unique);
    jsonw_key_int(w, "duplicates", t->duplicates);
    jsonw_key_int(w, "duplicates_unexplained", t->duplicates_unexplained);
    jsonw_key_int(w, "lost", t->lost);
    jsonw_key_int(w, "failed", t->failed);
    jsonw_key_int(w, "dead_malformed", t->dead_malformed);
    jsonw_key_int(w, "malformed_paid", t->malformed_paid);
    jsonw_key_int(w, "resent", t->resent);
    jsonw_key_int(w, "resent_paid_twice", t->resent_paid_twice);
    jsonw_key_int(w, "paid_unacknowledged", t->paid_unacknowledged);
    jsonw_key_int(w, "redelivered", t->redelivered);
}

static void write_course(const struct demo_report *r, struct jsonw *w)
{
    const struct demo_truth *t = r->truth;
    const struct demo_samples_summary *s = r->summary;

    jsonw_key_int(w, "peak_visible", s->peak_visible);
    jsonw_key_int(w, "peak_in_flight", s->peak_in_flight);
    jsonw_key_int(w, "peak_workers", s->peak_workers);
    jsonw_key_int(w, "final_workers", demo_verdict_final_workers(r->samples));
    key_number(w, "peak_desired", (double)s->peak_desired);
    key_number(w, "final_desired", (double)s->final_desired);
    key_number(w, "first_scale_out_s", s->first_scale_out_s);
    key_number(w, "drained_s", t->payments > 0 ? t->drained_s : -1);
    key_number(w, "drained_bound_s", t->payments > 0 ? t->drained_bound_s : -1);
    key_number(w, "scaled_in_s", s->scaled_in_s);
    key_number(w, "worker_seconds", s->worker_seconds);
    key_number(w, "completed_per_s_max", s->completed_per_s_max);
    key_number(w, "wait_p50_s", t->wait_p50_s);
    key_number(w, "wait_p99_s", t->wait_p99_s);
    key_number(w, "wait_max_s", t->wait_max_s);
    jsonw_key_int(w, "waits_above_5s", t->waits_above_5s);
    jsonw_key_bool(w, "promise_5s_holds", t->payments > 0 && t->waits_above_5s == 0);
    jsonw_key_int(w, "processes", t->processes);
    key_number(w, "process_rate_max_per_s", t->payments > 0 ? t->process_rate_max_per_s : -1);
    jsonw_key_int(w, "process_concurrency_max", t->concurrency_max);
    jsonw_key_int(w, "payment_min_ms", t->payment_min_ms);
    jsonw_key_int(w, "threads_per_worker_min", r->threads_min);
    jsonw_key_int(w, "starts", (int64_t)r->starts);
    jsonw_key_int(w, "restarts", r->restarts);
    jsonw_key_int(w, "reporting_max", r->reporting_max);
    key_number(w, "start_ready_ms_p50", r->start_ready_ms_p50);
    key_number(w, "start_ready_ms_p99", r->start_ready_ms_p99);
    key_number(w, "wall_s", r->wall_s);
    jsonw_key_int(w, "speed", r->speed);
}

static void write_settings(const struct demo_report *r, struct jsonw *w)
{
    jsonw_key(w, "settings");
    jsonw_object(w);
    jsonw_key_double(w, "rate", r->rate);
    jsonw_key_double(w, "duration_s", (double)r->duration_ms / 1000.0);
    jsonw_key_int(w, "orders", r->orders);
    jsonw_key_int(w, "min", r->workers_min);
    jsonw_key_int(w, "target", r->workers_target);
    jsonw_key_int(w, "max", r->workers_max);
    jsonw_key_int(w, "threads", r->threads);
    jsonw_key_int(w, "slots", r->slots);
    jsonw_key_double(w, "payment_time_s", (double)r->payment_ms / 1000.0);
    jsonw_key_double(w, "sns", r->sns_share);
    jsonw_key_double(w, "malformed", r->malformed_share);
    jsonw_key_int(w, "seed", r->seed);
    jsonw_key_bool(w, "chaos", r->chaos);
    jsonw_key_str(w, "fleet", r->ecs ? "ecs" : "local");
    key_number(w, "ecs_start_latency_s", r->ecs ? (double)r->ecs_start_latency_ms / 1000.0 : -1);
    jsonw_end_object(w);
}

static double into_sale_s(const struct demo_report *r, int64_t t_ms)
{
    return (double)(t_ms - r->truth->start_ms) / 1000.0;
}

static const char *kill_name(const struct demo_kill *kill)
{
    return kill->what == DEMO_KILL_WORKER ? "worker" : "supervisor";
}

static void write_kills(const struct demo_report *r, struct jsonw *w)
{
    jsonw_key(w, "kills");
    jsonw_array(w);
    for (size_t i = 0; i < r->kill_count; i++) {
        jsonw_object(w);
        jsonw_key_str(w, "what", kill_name(&r->kills[i]));
        jsonw_key_int(w, "pid", r->kills[i].pid);
        jsonw_key_double(w, "t_s", round(into_sale_s(r, r->kills[i].t_ms) * 1000) / 1000);
        jsonw_key_int(w, "payments_running", r->kills[i].payments_running);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);

    jsonw_key(w, "doubles");
    jsonw_array(w);
    for (size_t i = 0; i < r->truth->double_count; i++) {
        const struct demo_double *twice = &r->truth->doubles[i];
        jsonw_object(w);
        jsonw_key_str(w, "order_id", r->books->orders.names[twice->order]);
        jsonw_key_str(w, "message_id", r->books->messages.names[twice->message]);
        jsonw_key_double(w, "t_s", round(into_sale_s(r, twice->t_ms) * 1000) / 1000);
        jsonw_key(w, "kill");
        if (twice->kill >= 0)
            jsonw_int(w, twice->kill);
        else
            jsonw_null(w);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void write_samples(const struct demo_report *r, struct jsonw *w)
{
    jsonw_key(w, "samples");
    jsonw_array(w);
    for (size_t i = 0; i < r->samples->count; i++) {
        const struct demo_sample *s = &r->samples->all[i];
        jsonw_object(w);
        jsonw_key_double(w, "t_s", round(s->t_s * 1000) / 1000);
        jsonw_key_int(w, "visible", s->visible);
        jsonw_key_int(w, "in_flight", s->in_flight);
        jsonw_key(w, "desired");
        if (s->desired >= 0)
            jsonw_int(w, s->desired);
        else
            jsonw_null(w);
        jsonw_key_int(w, "ready", s->ready);
        jsonw_key_int(w, "starting", s->starting);
        jsonw_key_int(w, "draining", s->draining);
        jsonw_key_int(w, "completed", s->completed);
        jsonw_key_int(w, "delayed", s->delayed);
        jsonw_key_int(w, "sent", s->sent);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void write_versions(struct jsonw *w)
{
    struct utsname system;

    jsonw_key(w, "versions");
    jsonw_object(w);
    jsonw_key_str(w, "sluice", SLUICE_VERSION);
    if (uname(&system) == 0) {
        jsonw_key_str(w, "system", system.sysname);
        jsonw_key_str(w, "release", system.release);
        jsonw_key_str(w, "machine", system.machine);
    }
    jsonw_end_object(w);
}

void demo_report_write_json(const struct demo_report *report, struct strbuf *out)
{
    struct jsonw w = JSONW_INIT(out);

    jsonw_object(&w);
    jsonw_key_int(&w, "v", 1);
    jsonw_key_bool(&w, "good", report->failures->count == 0);
    jsonw_key(&w, "failures");
    jsonw_array(&w);
    for (size_t i = 0; i < report->failures->count; i++)
        jsonw_str(&w, report->failures->texts[i]);
    jsonw_end_array(&w);
    write_counts(report, &w);
    write_course(report, &w);
    write_settings(report, &w);
    write_kills(report, &w);
    write_versions(&w);
    write_samples(report, &w);
    jsonw_end_object(&w);
    strbuf_append_char(out, '\n');
}

/* ---- words ---- */

static const char *plural(int64_t count)
{
    return count == 1 ? "" : "s";
}

/* Lines stay within 80 columns for usual figures. */
static void say_orders(const struct demo_report *r, struct strbuf *out)
{
    const struct demo_truth *t = r->truth;

    strbuf_appendf(out,
                   "Orders     %" PRId64 " acknowledged by SQS, %" PRId64 " paid; %" PRId64 " lost, %" PRId64
                   " paid twice, %" PRId64 " failed\n",
                   t->sent, t->completed_unique, t->lost, t->duplicates, t->failed);
    if (t->sent_malformed > 0)
        strbuf_appendf(out,
                       "           %" PRId64 " were malformed; %" PRId64
                       " of them ended in the dead-letter queue\n",
                       t->sent_malformed, t->dead_malformed);
    if (t->resent > 0)
        strbuf_appendf(out,
                       "           %" PRId64 " were sent again after an unclear answer, %" PRId64
                       " of them paid under two ids\n",
                       t->resent, t->resent_paid_twice);
    if (t->redelivered > 0)
        strbuf_appendf(out, "           %" PRId64 " payments were of messages that SQS delivered again\n",
                       t->redelivered);
}

static void say_course(const struct demo_report *r, struct strbuf *out)
{
    const struct demo_truth *t = r->truth;
    const struct demo_samples_summary *s = r->summary;

    strbuf_appendf(out, "Queue      at most %" PRId64 " visible and %" PRId64 " in flight\n", s->peak_visible,
                   s->peak_in_flight);
    strbuf_appendf(out, "           last payment done after %.1f s (physics allows %.1f s)\n", t->drained_s,
                   t->drained_bound_s);
    strbuf_appendf(out,
                   "Workers    %" PRId64 " at the start, %" PRId64 " at the peak, %" PRId64 " at the end\n",
                   r->workers_min, s->peak_workers, demo_verdict_final_workers(r->samples));
    if (r->ecs && s->peak_desired >= 0)
        strbuf_appendf(
            out,
            "           tasks of an ECS service that take %g s to start;\n"
            "           its desired count was %" PRId64 " at the peak and %" PRId64 " at the end;\n"
            "           up to %" PRId64 " of them told the supervisor how busy they were\n",
            (double)r->ecs_start_latency_ms / 1000.0, s->peak_desired, s->final_desired, r->reporting_max);
    if (s->first_scale_out_s >= 0 && s->scaled_in_s >= 0)
        strbuf_appendf(out, "           first growth seen after %.1f s, back at %" PRId64 " after %.0f s\n",
                       s->first_scale_out_s, r->workers_min, s->scaled_in_s);
    strbuf_appendf(out, "           %.0f worker-seconds; %ld threads or more in every ready worker\n",
                   s->worker_seconds, r->threads_min);
    strbuf_appendf(out, "Rate       up to %.1f completed/s over 10 s\n", s->completed_per_s_max);
    strbuf_appendf(out, "           no process above %.3f/s (%" PRId64 " slots of %g s allow %.3f/s)\n",
                   t->process_rate_max_per_s, r->slots, (double)r->payment_ms / 1000.0,
                   (double)r->slots * 1000.0 / (double)r->payment_ms);
}

static void say_waits(const struct demo_report *r, struct strbuf *out)
{
    const struct demo_truth *t = r->truth;

    if (t->wait_max_s < 0)
        return;
    strbuf_appendf(
        out, "Waits      half below %.1f s, 99%% below %.1f s, longest %.1f s (sent to payment begun)\n",
        t->wait_p50_s, t->wait_p99_s, t->wait_max_s);
    if (t->waits_above_5s == 0)
        strbuf_append_str(out, "           the promise of a \"< 5 second delay\" holds\n");
    else
        strbuf_appendf(out,
                       "           the promise of a \"< 5 second delay\" does not hold:\n"
                       "           %" PRId64 " of %" PRId64 " orders waited longer\n",
                       t->waits_above_5s, t->completed_unique);
}

static void say_time(const struct demo_report *r, struct strbuf *out)
{
    strbuf_appendf(out,
                   "Time       all seconds above are product time, %" PRId64 " to a real one;"
                   " %.1f real seconds\n",
                   r->speed, r->wall_s);
    if (r->starts > 0)
        strbuf_appendf(out,
                       "Starts     %zu workers, in real time from fork to ready: half within %.0f ms,\n"
                       "           99%% within %.0f ms\n",
                       r->starts, r->start_ready_ms_p50, r->start_ready_ms_p99);
}

static void say_kills(const struct demo_report *r, struct strbuf *out)
{
    for (size_t i = 0; i < r->kill_count; i++) {
        int64_t named = 0;
        for (size_t d = 0; d < r->truth->double_count; d++)
            named += r->truth->doubles[d].kill == (ssize_t)i;
        strbuf_appendf(out,
                       "Kill %zu     %s (pid %d) at %.1f s with %" PRId64 " payment%s running;\n"
                       "           %" PRId64 " paid twice because of it\n",
                       i + 1, kill_name(&r->kills[i]), (int)r->kills[i].pid, into_sale_s(r, r->kills[i].t_ms),
                       r->kills[i].payments_running, plural(r->kills[i].payments_running), named);
    }
}

void demo_report_write_text(const struct demo_report *report, struct strbuf *out)
{
    const struct demo_report *r = report;

    strbuf_appendf(out,
                   "\nFlash sale: %g orders/s for %g s; %" PRId64 " payments of %g s at once in a worker;\n"
                   "%" PRId64 " to %" PRId64 " workers of %" PRId64 " threads\n\n",
                   r->rate, (double)r->duration_ms / 1000.0, r->slots, (double)r->payment_ms / 1000.0,
                   r->workers_min, r->workers_max, r->threads);
    say_orders(r, out);
    say_course(r, out);
    say_waits(r, out);
    say_kills(r, out);
    say_time(r, out);
    if (r->folder != NULL)
        strbuf_appendf(out, "Files      kept in %s\n", r->folder);
    if (r->failures->count == 0) {
        strbuf_appendf(out, "Verdict    good: nothing lost, %s\n",
                       r->truth->duplicates == 0 ? "nothing paid twice"
                                                 : "every second payment named by its kill");
        return;
    }
    strbuf_append_str(out, "Verdict    not good:\n");
    for (size_t i = 0; i < r->failures->count; i++)
        strbuf_appendf(out, "           - %s\n", r->failures->texts[i]);
}
