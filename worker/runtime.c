/* The running worker: signals, start and end; see runtime.h. */
#include "worker/runtime_internal.h"

#include "aws/client.h"
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/log.h"
#include "base/random.h"
#include "base/signal_name.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* ---- after every event ---- */

/* Handled messages count until their delete is confirmed. */
static void tell_protection(struct runtime *rt)
{
    if (rt->protection == NULL)
        return;
    if (rt->core.stage != CORE_RUNNING)
        protection_agent_drain(rt->protection);
    protection_agent_set_busy(rt->protection, rt->core.held_count > 0 || !TAILQ_EMPTY(&rt->core.leased));
}

void runtime_after_event(struct runtime *rt)
{
    int64_t now_ms = clock_product_ms();
    int64_t due_ms = core_due_ms(&rt->core);
    if (core_is_over(&rt->core)) {
        (void)event_base_loopbreak(rt->base);
        return;
    }
    tell_protection(rt);
    if (due_ms == rt->core_timer_ms)
        return;
    rt->core_timer_ms = due_ms;
    if (due_ms == INT64_MAX)
        loop_timer_cancel(&rt->core_timer);
    else
        loop_timer_arm_product_ms(&rt->core_timer, due_ms - now_ms);
}

static void on_core_timer(void *arg)
{
    struct runtime *rt = arg;
    rt->core_timer_ms = INT64_MAX;
    core_on_wakeup(&rt->core, clock_product_ms());
    runtime_after_event(rt);
}

static void on_messages_done(evutil_socket_t fd, short what, void *arg)
{
    struct runtime *rt = arg;
    (void)fd;
    (void)what;
    pool_acknowledge(rt->pool);
    core_on_wakeup(&rt->core, clock_product_ms());
    runtime_after_event(rt);
}

/* ---- signals ---- */

static void drain_signals(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGQUIT);
    (void)sigaddset(set, SIGHUP);
}

void runtime_block_signals(void)
{
    sigset_t all;
    (void)signal(SIGPIPE, SIG_IGN);
    /* What a fault raises stays open: blocked, it would kill without a core. */
    (void)sigfillset(&all);
    (void)sigdelset(&all, SIGSEGV);
    (void)sigdelset(&all, SIGBUS);
    (void)sigdelset(&all, SIGFPE);
    (void)sigdelset(&all, SIGILL);
    (void)sigdelset(&all, SIGABRT);
    (void)sigdelset(&all, SIGTRAP);
    (void)sigdelset(&all, SIGTSTP);
    (void)pthread_sigmask(SIG_SETMASK, &all, NULL);
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
    struct runtime *rt = arg;
    struct signalfd_siginfo info;
    (void)what;
    while (read(fd, &info, sizeof info) == (ssize_t)sizeof info) {
        const char *name = signal_name((int)info.ssi_signo);
        rt->interrupts += info.ssi_signo == SIGINT;
        if (info.ssi_signo == SIGINT && rt->interrupts > 1 && isatty(STDIN_FILENO))
            core_abandon(&rt->core, clock_product_ms());
        else
            core_drain(&rt->core, clock_product_ms(), name);
    }
    runtime_after_event(rt);
}

static struct event *watch(struct runtime *rt, int fd, event_callback_fn fn)
{
    struct event *event = event_new(rt->base, fd, EV_READ | EV_PERSIST, fn, rt);
    if (event == NULL)
        abort();
    (void)event_add(event, NULL);
    return event;
}

/* ---- start ---- */

int runtime_fail(const char *what, const struct err *err, int code)
{
    LOG(LOG_ERROR, what, LOG_STR("error", err->text), LOG_INT("exit_code", code));
    return code;
}

static int open_clients(struct runtime *rt)
{
    struct err err;
    struct strbuf endpoint = STRBUF_INIT;
    int code = 0;
    rt->credentials = aws_credentials_provider_new_default(rt->base, rt->settings->region);
    struct aws_client_options options = {.base = rt->base,
                                         .region = rt->settings->region,
                                         .endpoint_url = rt->settings->endpoint_url,
                                         .credentials = rt->credentials};
    rt->poll_client = aws_client_new(&options, &err);
    rt->ack_client = rt->poll_client != NULL ? aws_client_new(&options, &err) : NULL;
    if (rt->ack_client == NULL)
        code = runtime_fail("no AWS client", &err, EXIT_CODE_CONFIG);
    else if (aws_client_endpoint(rt->poll_client, "sqs", rt->settings->queue_url, &endpoint, &err) != 0)
        code = runtime_fail("no SQS endpoint", &err, EXIT_CODE_CONFIG);
    else if (clock_scale() != 1 && !aws_url_is_loopback(strbuf_str(&endpoint))) {
        (void)err_set(&err, "SLUICE_TIME_SCALE is for loopback endpoints only, not for %s",
                      strbuf_str(&endpoint));
        code = runtime_fail("scaled time refused", &err, EXIT_CODE_CONFIG);
    }
    strbuf_clean_up(&endpoint);
    return code;
}

static int start_threads(struct runtime *rt)
{
    struct err err;
    struct pool_options options = {.threads = (int)rt->settings->threads,
                                   .stack_bytes = rt->settings->stack_bytes,
                                   .sns = (enum sns_mode)rt->settings->sns,
                                   .handler = rt->settings->handler,
                                   .flags = rt->flags,
                                   .instance = rt->instance,
                                   .dispatch = &rt->dispatch};
    dispatch_init(&rt->dispatch, (int)rt->settings->threads);
    rt->dispatch_made = true;
    rt->pool = pool_new(&options, &err);
    return rt->pool != NULL ? 0 : runtime_fail("handler threads not started", &err, EXIT_CODE_CONFIG);
}

static void host_log(enum sluice_log_level level, const char *text)
{
    pool_log(level, text, NULL);
}

static int open_handler(struct runtime *rt)
{
    struct err err;
    const struct handler *handler = rt->settings->handler;
    rt->host = (struct sluice_host){.size = sizeof rt->host,
                                    .worker = rt->settings->worker,
                                    .pid = (int)getpid(),
                                    .threads = (int)rt->settings->threads,
                                    .queue_url = rt->settings->queue_url,
                                    .arguments = rt->settings->arguments,
                                    .argument_count = rt->settings->argument_count,
                                    .log = host_log};
    rt->instance = handler->open(rt->settings->handler_options, &rt->host, &err);
    if (rt->instance == NULL)
        return runtime_fail("handler not opened", &err, handler->open_exit_code);
    rt->flags =
        handler->flags | (handler->instance_flags != NULL ? handler->instance_flags(rt->instance) : 0);
    return 0;
}

static int watch_events(struct runtime *rt)
{
    struct err err;
    sigset_t set;
    loop_timer_init(&rt->core_timer, rt->base, on_core_timer, rt);
    drain_signals(&set);
    rt->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (rt->signal_fd < 0) {
        (void)err_set(&err, "signalfd: %s", strerror(errno));
        return runtime_fail("signals not watched", &err, EXIT_CODE_SOFTWARE);
    }
    rt->signal_event = watch(rt, rt->signal_fd, on_signal);
    rt->done_event = watch(rt, pool_event_fd(rt->pool), on_messages_done);
    return runtime_open_telemetry(rt);
}

/* Wrong settings cost the protection, not the work. */
static void open_protection(struct runtime *rt)
{
    struct err err;
    const struct settings *settings = rt->settings;
    if (settings->ecs_agent_uri == NULL || settings->task_protection == SETTINGS_PROTECTION_OFF)
        return;
    int minutes = protection_minutes(settings->visibility_ms, settings->stop_grace_ms);
    rt->protection = protection_agent_new(rt->base, settings->ecs_agent_uri, minutes, &err);
    if (rt->protection == NULL)
        LOG(LOG_WARNING, "no task protection", LOG_STR("error", err.text));
}

static void start_core(struct runtime *rt)
{
    int64_t limit = rt->settings->handler->limit(rt->instance);
    struct core_settings settings = {.threads = (int)rt->settings->threads,
                                     .handler_limit = (int)limit,
                                     .visibility_s = (int)(rt->settings->visibility_ms / 1000),
                                     .wait_s = (int)(rt->settings->wait_ms / 1000),
                                     .grace_ms = rt->settings->stop_grace_ms,
                                     .concurrency = (int)rt->settings->concurrency,
                                     .retry = rt->settings->retry,
                                     .dlq = rt->settings->dlq_url != NULL,
                                     .fifo = rt->settings->fifo,
                                     .dlq_fifo = rt->settings->fifo,
                                     .max_receives = (int)rt->settings->max_receives,
                                     .idempotency_window = (int)rt->settings->idempotency_window,
                                     .brake_percent = (int)rt->settings->failure_brake,
                                     .scale = clock_scale(),
                                     .seed = random_seed()};
    struct core_ops ops = runtime_core_ops(rt);
    rt->core.settings = settings; /* op_receive() reads it while core_init() runs */
    rt->core_made = true;
    core_init(&rt->core, &settings, &ops, &rt->dispatch, clock_product_ms());
    runtime_watch_ready(rt);
    runtime_after_event(rt);
}

static int start(struct runtime *rt)
{
    int code = open_handler(rt);
    if (code == 0)
        code = start_threads(rt);
    if (code == 0)
        code = open_clients(rt);
    if (code == 0)
        code = watch_events(rt);
    if (code == 0)
        code = runtime_open_report(rt);
    if (code == 0)
        open_protection(rt);
    if (code == 0 && strcmp(rt->settings->handler->name, "plugin") != 0)
        rt->strangers = strangers_new(rt->base);
    if (code == 0)
        start_core(rt);
    return code;
}

/* ---- end ---- */

static void clean_up(struct runtime *rt)
{
    pool_destroy(rt->pool);
    aws_client_destroy(rt->poll_client);
    aws_client_destroy(rt->ack_client);
    if (rt->core_made)
        core_clean_up(&rt->core);
    channel_clean_up(&rt->channel);
    uplink_destroy(rt->uplink);
    report_destroy(rt->report);
    strangers_destroy(rt->strangers);
    protection_agent_destroy(rt->protection);
    if (rt->done_event != NULL)
        event_free(rt->done_event);
    if (rt->signal_event != NULL)
        event_free(rt->signal_event);
    if (rt->signal_fd >= 0)
        (void)close(rt->signal_fd);
    loop_timer_clean_up(&rt->core_timer);
    loop_timer_clean_up(&rt->ready_timer);
    if (rt->credentials != NULL)
        aws_credentials_provider_destroy(rt->credentials);
    if (rt->dispatch_made)
        dispatch_clean_up(&rt->dispatch);
    if (rt->instance != NULL)
        rt->settings->handler->close(rt->instance);
    event_base_free(rt->base);
}

static void on_end_call(void *arg)
{
    struct runtime *rt = arg;
    if (--rt->ends_awaited == 0)
        (void)event_base_loopbreak(rt->base);
}

/* Bye by HTTP, and the release of task protection. The loop goes on for these alone: nothing else may reach
 * the core any more. */
static void make_last_calls(struct runtime *rt, int64_t returned)
{
    if (rt->uplink != NULL)
        rt->ends_awaited += uplink_end(rt->uplink, rt->core.reason, returned, on_end_call, rt);
    if (rt->protection != NULL)
        rt->ends_awaited += protection_agent_end(rt->protection, on_end_call, rt);
    if (rt->ends_awaited == 0)
        return;
    aws_client_destroy(rt->poll_client);
    aws_client_destroy(rt->ack_client);
    rt->poll_client = rt->ack_client = NULL;
    (void)event_del(rt->done_event);
    (void)event_del(rt->signal_event);
    loop_timer_cancel(&rt->core_timer);
    loop_timer_cancel(&rt->ready_timer);
    (void)event_base_dispatch(rt->base);
}

static void finish(struct runtime *rt, int code)
{
    struct telemetry_stats stats;
    core_get_stats(&rt->core, clock_product_ms(), &stats);
    channel_send_bye(&rt->channel, rt->core.reason, stats.returned);
    report_finish(rt->report);
    make_last_calls(rt, stats.returned);
    LOG(LOG_INFO, "bye", LOG_STR("reason", rt->core.reason), LOG_INT("completed", stats.completed),
        LOG_INT("failed", stats.failed), LOG_INT("retried", stats.retried),
        LOG_INT("rejected", stats.rejected), LOG_INT("quarantined", stats.quarantined),
        LOG_INT("deleted", stats.deleted), LOG_INT("returned", stats.returned),
        LOG_INT("lease_lost", stats.lease_lost), LOG_INT("receives_cancelled", stats.receives_cancelled));
    /* A handler that does not come back can't be joined; its message has been handed back. */
    if (stats.busy > 0 && rt->settings->handler->abandon != NULL)
        rt->settings->handler->abandon(rt->instance);
    if (stats.busy > 0)
        _exit(code);
}

int runtime_run(const struct settings *settings)
{
    struct runtime rt = {.settings = settings, .signal_fd = -1, .core_timer_ms = INT64_MAX, .channel.fd = -1};
    struct err err;
    if (channel_check_fd((int)settings->telemetry_fd, &err) != 0)
        return runtime_fail("no telemetry", &err, EXIT_CODE_CONFIG);
    rt.base = loop_base_new();
    int code = start(&rt);
    if (code == 0) {
        bool broken = event_base_dispatch(rt.base) < 0 || !core_is_over(&rt.core);
        code = broken ? EXIT_CODE_SOFTWARE : rt.core.exit_code;
        if (broken)
            LOG(LOG_ERROR, "the event loop ended by itself", LOG_INT("exit_code", code));
        finish(&rt, code);
    }
    clean_up(&rt);
    return code;
}
