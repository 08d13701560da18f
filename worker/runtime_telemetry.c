/* What the worker tells: to its supervisor by a socket or by HTTP, to others as metrics; see
 * runtime_internal.h.
 */
#include "worker/runtime_internal.h"

#include "aws/client.h"
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/log.h"

#include <stdlib.h>

static void channel_stats(void *arg, struct telemetry_stats *ret_stats)
{
    struct runtime *rt = arg;
    core_get_stats(&rt->core, clock_product_ms(), ret_stats);
    if (rt->protection == NULL)
        return;
    ret_stats->protects_itself = protection_agent_state(rt->protection)->misses == 0;
    ret_stats->is_protected = protection_agent_is_on(rt->protection);
}

static const struct histogram *histogram_of(const struct runtime *rt, enum telemetry_hist hist)
{
    const struct core_sensors *sensors = core_get_sensors(&rt->core);
    switch (hist) {
#define X(name)                                                                                              \
    case TELEMETRY_HIST_##name:                                                                              \
        return &sensors->name;
        TELEMETRY_HISTS(X)
#undef X
    case TELEMETRY_HIST_MAX:
        break;
    }
    abort();
}

static const struct histogram *channel_hist(void *arg, enum telemetry_hist hist)
{
    const struct runtime *rt = arg;
    return histogram_of(rt, hist);
}

static void report_view(void *arg, struct metrics_view *view)
{
    struct runtime *rt = arg;
    core_get_stats(&rt->core, clock_product_ms(), &view->stats);
    for (int i = 0; i < TELEMETRY_HIST_MAX; i++)
        view->hists[i] = histogram_of(rt, (enum telemetry_hist)i);
    view->calls = rt->calls;
    view->draining = rt->core.stage != CORE_RUNNING;
    view->strangers_reaped = strangers_reaped(rt->strangers);
    if (rt->protection == NULL)
        return;
    const struct protection *protection = protection_agent_state(rt->protection);
    view->is_protected = protection_agent_is_on(rt->protection);
    view->protection_failures = protection->failures;
    view->protection_refusals = protection->refusals;
}

static void channel_limit(void *arg, int64_t limit)
{
    struct runtime *rt = arg;
    core_set_limit(&rt->core, clock_product_ms(), limit);
    runtime_after_event(rt);
}

static void channel_closed(void *arg)
{
    struct runtime *rt = arg;
    core_drain(&rt->core, clock_product_ms(), "supervisor gone");
    runtime_after_event(rt);
}

/* Ready means that the first receive has been handed to the network, not only asked for: credentials come
 * first. */
static void on_ready_timer(void *arg)
{
    struct runtime *rt = arg;
    struct aws_client_stats stats;
    if (rt->core.stage != CORE_RUNNING)
        return;
    aws_client_get_stats(rt->poll_client, &stats);
    if (stats.attempts == 0) {
        loop_timer_arm_real_ms(&rt->ready_timer, 1);
        return;
    }
    channel_send_ready(&rt->channel, rt->host.worker, (int)rt->settings->threads, rt->core.capacity);
    if (rt->uplink != NULL)
        uplink_start(rt->uplink, (int)rt->settings->threads, rt->core.capacity);
    LOG(LOG_INFO, "ready", LOG_STR("handler", rt->settings->handler->name),
        LOG_INT("threads", rt->settings->threads), LOG_INT("capacity", rt->core.capacity),
        LOG_STR("queue_url", rt->settings->queue_url));
}

void runtime_watch_ready(struct runtime *rt)
{
    loop_timer_arm_real_ms(&rt->ready_timer, 0);
}

/* A worker that was forked by its supervisor has the socket; the URL is for the others. */
int runtime_open_telemetry(struct runtime *rt)
{
    struct err err;
    struct channel_ops ops = {.arg = rt,
                              .get_stats = channel_stats,
                              .get_hist = channel_hist,
                              .on_limit = channel_limit,
                              .on_closed = channel_closed};
    loop_timer_init(&rt->ready_timer, rt->base, on_ready_timer, rt);
    channel_init(&rt->channel, rt->base, (int)rt->settings->telemetry_fd, &ops);
    if (rt->settings->telemetry_url == NULL || rt->settings->telemetry_fd >= 0)
        return 0;
    rt->uplink = uplink_new(rt->base, rt->settings, &ops, &err);
    return rt->uplink != NULL ? 0 : runtime_fail("no telemetry", &err, EXIT_CODE_CONFIG);
}

int runtime_open_report(struct runtime *rt)
{
    struct err err;
    struct report_ops ops = {.arg = rt, .get_view = report_view};
    rt->report = report_new(rt->base, rt->settings, &ops, &err);
    return rt->report != NULL ? 0 : runtime_fail("no metrics", &err, EXIT_CODE_CONFIG);
}
