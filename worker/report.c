/* Prometheus and CloudWatch; see report.h. */
#include "worker/report.h"

#include "aws/endpoint.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/nowait_output.h"
#include "base/status_server.h"
#include "worker/emf.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    RETRY_REAL_MS = 100,  /* a line that went out in part goes on after this */
    FINISH_REAL_MS = 100, /* what the last line waits for room at most */
    FDS_KEPT_FREE = 32,   /* for connections and files ... */
    FDS_A_THREAD = 4,     /* ... and a handler's pipes */
};

struct report {
    const struct settings *settings;
    struct report_ops ops;
    char queue[sizeof((struct aws_queue_url *)0)->name];
    struct status_server *server; /* NULL: none */

    struct emf *emf; /* NULL: none */
    struct nowait_output output;
    struct loop_timer interval, retry;
};

static void get_view(const struct report *report, struct metrics_view *view)
{
    *view = (struct metrics_view){.queue = report->queue,
                                  .worker = report->settings->worker,
                                  .threads = report->settings->threads,
                                  .emf_dropped = report->output.dropped,
                                  .log_dropped = (int64_t)log_dropped()};
    report->ops.get_view(report->ops.arg, view);
}

/* ---- Prometheus ---- */

static void answer_metrics(void *arg, const struct status_request *request, struct status_reply *reply)
{
    struct metrics_view view;
    (void)request;
    get_view(arg, &view);
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_render(&view, &reply->body);
}

static void answer_health(void *arg, const struct status_request *request, struct status_reply *reply)
{
    struct metrics_view view;
    (void)request;
    get_view(arg, &view);
    reply->content_type = "application/json"; /* as the supervisor's, for `sluice health` */
    strbuf_appendf(&reply->body, "{\"status\":\"%s\"}\n", view.draining ? "draining" : "ok");
}

static const struct status_route ROUTES[] = {
    {.path = "/metrics", .fn = answer_metrics},
    {.path = "/healthz", .fn = answer_health},
    {.path = NULL},
};

static int serve(struct report *report, struct event_base *base, struct err *err)
{
    struct status_server_options options = {.name = "metrics",
                                            .routes = ROUTES,
                                            .arg = report,
                                            .fds_kept_free = FDS_KEPT_FREE +
                                                             FDS_A_THREAD * (int)report->settings->threads};
    report->server =
        status_server_listen(base, "--metrics-listen", report->settings->metrics_listen, &options, err);
    return report->server != NULL ? 0 : -1;
}

/* ---- CloudWatch ---- */

static void send_emf(struct report *report)
{
    struct metrics_view view;
    struct strbuf line = STRBUF_INIT;
    get_view(report, &view);
    emf_render(report->emf, report->settings->emf_namespace, &view, clock_product_ms(), &line);
    /* What a dropped line would have told is in the next one. */
    if (nowait_output_send(&report->output, &line))
        emf_told(report->emf, &view);
    strbuf_clean_up(&line);
    if (report->output.rest.len > 0)
        loop_timer_arm_real_ms(&report->retry, RETRY_REAL_MS);
}

static void on_retry(void *arg)
{
    struct report *report = arg;
    if (!nowait_output_flush(&report->output))
        loop_timer_arm_real_ms(&report->retry, RETRY_REAL_MS);
}

static void on_interval(void *arg)
{
    struct report *report = arg;
    send_emf(report);
    loop_timer_arm_product_ms(&report->interval, report->settings->emf_interval_ms);
}

static void flush_until(struct report *report, int64_t end_mono_ms)
{
    struct pollfd room = {.fd = report->output.fd, .events = POLLOUT};
    while (!nowait_output_flush(&report->output)) {
        int64_t left_ms = end_mono_ms - clock_mono_ms();
        if (left_ms <= 0 || poll(&room, 1, (int)left_ms) <= 0)
            return;
    }
}

void report_finish(struct report *report)
{
    if (report->emf == NULL)
        return;
    loop_timer_cancel(&report->interval);
    loop_timer_cancel(&report->retry);
    int64_t end_ms = clock_mono_ms() + FINISH_REAL_MS;
    flush_until(report, end_ms);
    send_emf(report);
    loop_timer_cancel(&report->retry);
    flush_until(report, end_ms);
}

/* ---- life ---- */

struct report *report_new(struct event_base *base, const struct settings *settings,
                          const struct report_ops *ops, struct err *err)
{
    struct aws_queue_url queue = {.name = ""};
    struct report *report = xcalloc(1, sizeof *report);
    report->settings = settings;
    report->ops = *ops;
    report->output.fd = STDOUT_FILENO;
    (void)aws_queue_url_parse(settings->queue_url, &queue, NULL);
    (void)snprintf(report->queue, sizeof report->queue, "%s", queue.name);
    loop_timer_init(&report->interval, base, on_interval, report);
    loop_timer_init(&report->retry, base, on_retry, report);
    if (settings->metrics_listen != NULL && serve(report, base, err) != 0) {
        report_destroy(report);
        return NULL;
    }
    if (settings->emf) {
        report->emf = xcalloc(1, sizeof *report->emf);
        loop_timer_arm_product_ms(&report->interval, settings->emf_interval_ms);
    }
    return report;
}

void report_destroy(struct report *report)
{
    if (report == NULL)
        return;
    status_server_destroy(report->server);
    loop_timer_clean_up(&report->interval);
    loop_timer_clean_up(&report->retry);
    nowait_output_clean_up(&report->output);
    free(report->emf);
    free(report);
}
