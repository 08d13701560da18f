/*
 * One row after the other: a queue of its own on the local endpoint, the backlog in it, then the process that
 * drains it, looked at once a product second until all is done or the time is over. See measure.h. Each step
 * runs the loop until what it waits for has come.
 */
#include "supervisor/measure.h"

#include "aws/client.h"
#include "aws/sqs.h"
#include "base/alloc.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/loop.h"
#include "supervisor/demo_children.h"
#include "supervisor/demo_tail.h"
#include "supervisor/load_sender.h"
#include "supervisor/local_endpoint.h"
#include "supervisor/measure_watch.h"
#include "supervisor/orders.h"
#include "supervisor/sandbox.h"

#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum {
    POLL_REAL_MS = 10,
    SAMPLE_EVERY_MS = 1000,    /* product */
    SAMPLE_FLOOR_REAL_MS = 20, /* a fast clock is looked at no more often */
    START_GUARD_REAL_MS = 60000,
    STOP_GUARD_REAL_MS = 60000,
    LIMIT_FLOOR_REAL_MS = 2000, /* a tiny backlog on a busy machine */
    FILL_RATE = 100000,         /* orders a product second: at once */
    FILL_ATTEMPTS = 8,
    TAIL_LINES = 15,
    QUEUE_NAME_BYTES = 32,
    SEED = 1,
};

/* What lives while rows are measured. */
struct run {
    struct measure *measure;
    struct measure_row *row; /* under way */
    struct sandbox sandbox;
    struct event_base *base;
    struct aws_client *client; /* of the backlog: one attempt a call, see load_sender.h */
    struct demo_children children;
    struct event *signals[3];
    struct loop_timer poll, guard, sample, limit;
    struct measure_watch watch;
    struct demo_tail ledger;

    char queue[QUEUE_NAME_BYTES];
    char *queue_url; /* owned; NULL until created */
    bool filled;
    struct measure_seen seen;
    bool drained;         /* nothing is left to wait for */
    bool stopping_worker; /* its end is expected */
    bool stopping;        /* so is that of the endpoint */
    bool overdue;         /* the guard of the step fired */
    bool broken;          /* go no further: failures say why */
};

/* ---- steps ---- */

static void break_off(struct run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void break_off(struct run *run, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (!run->broken)
        demo_failures_add(&run->measure->failures, "%s", text);
    run->broken = true;
}

static void say(const struct run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(const struct run *run, const char *fmt, ...)
{
    va_list args;

    if (run->measure->quiet)
        return;
    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args);
    va_end(args);
    (void)fputc('\n', stderr);
}

static void on_wake(void *arg)
{
    (void)arg; /* the step looks again */
}

static void on_guard(void *arg)
{
    struct run *run = arg;

    run->overdue = true;
}

/* Runs the loop until is_done(); returns 0, or -1 when it is time to give up. */
static int wait_for(struct run *run, bool (*is_done)(struct run *run), int64_t guard_real_ms,
                    const char *what)
{
    run->overdue = false;
    loop_timer_arm_real_ms(&run->guard, guard_real_ms);
    while (!is_done(run)) {
        if (run->broken)
            return -1;
        if (run->overdue) {
            break_off(run, "%s took longer than %" PRId64 " s", what, guard_real_ms / 1000);
            return -1;
        }
        if (!loop_timer_pending(&run->poll))
            loop_timer_arm_real_ms(&run->poll, POLL_REAL_MS);
        (void)event_base_loop(run->base, EVLOOP_ONCE);
    }
    loop_timer_cancel(&run->guard);
    return run->broken ? -1 : 0;
}

static void blame_child(struct run *run, enum demo_child_name name, int status)
{
    struct strbuf tail = STRBUF_INIT;
    char ended[64];

    demo_children_tail(&run->children, name, TAIL_LINES, &tail);
    break_off(run, "%s ended with %s%s%s", demo_child_title(name), child_status_text(status, ended),
              tail.len > 0 ? "; its last words:\n" : "", strbuf_str(&tail));
    strbuf_clean_up(&tail);
}

static void on_child_exit(void *arg, enum demo_child_name name, int status)
{
    struct run *run = arg;
    bool expected = name == DEMO_WORKER ? run->stopping_worker : run->stopping;

    if (!expected || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        blame_child(run, name, status);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    (void)what;
    break_off(arg, "interrupted by signal %d (%s)", (int)number, strsignal((int)number));
}

/* ---- endpoint ---- */

static bool endpoint_listens(struct run *run)
{
    char *url = local_endpoint_url(&run->children);

    if (url == NULL)
        return false;
    (void)setenv("AWS_ENDPOINT_URL", url, 1);
    free(url);
    return true;
}

static int start_endpoint(struct run *run)
{
    struct aws_client_options options = {
        .base = run->base, .max_attempts = 1, .max_connections = LOAD_BATCHES_MAX};
    struct local_endpoint_options endpoint = {.redelivery = run->measure->redelivery};
    struct err err = {.text = ""};

    if (local_endpoint_start(&run->children, &run->sandbox, &endpoint, &err) != 0) {
        break_off(run, "%s", err.text);
        return -1;
    }
    if (wait_for(run, endpoint_listens, START_GUARD_REAL_MS, "the start of the local endpoint") != 0)
        return -1;
    run->client = aws_client_new(&options, &err);
    if (run->client == NULL || measure_watch_init(&run->watch, getenv("AWS_ENDPOINT_URL"), &err) != 0) {
        break_off(run, "%s", err.text);
        return -1;
    }
    return 0;
}

/* ---- backlog ---- */

static void on_queue_made(void *arg, const struct aws_result *result, const char *url)
{
    struct run *run = arg;
    char text[400];

    if (result->kind == AWS_KIND_OK)
        run->queue_url = xstrdup(url);
    else
        break_off(run, "%s", aws_result_text(result, "CreateQueue", text, sizeof text));
}

static bool queue_is_made(struct run *run)
{
    return run->queue_url != NULL;
}

static int make_queue(struct run *run)
{
    char visibility[16];

    (void)snprintf(visibility, sizeof visibility, "%d", MEASURE_VISIBILITY_S);
    const struct sqs_attribute attribute = {.name = "VisibilityTimeout", .value = visibility};
    free(run->queue_url);
    run->queue_url = NULL;
    (void)snprintf(run->queue, sizeof run->queue, "measure-%zu", (size_t)(run->row - run->measure->rows) + 1);
    (void)sqs_create_queue(run->client, run->queue, &attribute, 1, on_queue_made, run);
    return wait_for(run, queue_is_made, START_GUARD_REAL_MS, "creating the queue");
}

static void on_filled(void *arg)
{
    struct run *run = arg;

    run->filled = true;
}

static bool is_filled(struct run *run)
{
    return run->filled;
}

static void check_backlog(struct run *run, const struct load_totals *totals)
{
    if (!run->broken && (totals->acknowledged != run->row->setup.orders || totals->resent > 0))
        break_off(run,
                  "%" PRId64 " of %" PRId64 " orders came into the queue, %" PRId64 " of them perhaps twice",
                  totals->acknowledged, run->row->setup.orders, totals->resent);
}

static int fill_queue(struct run *run)
{
    struct orders orders;
    struct load_totals totals;
    struct load_sender_options options = {.base = run->base,
                                          .client = run->client,
                                          .queue_url = run->queue_url,
                                          .orders = &orders,
                                          .rate = FILL_RATE,
                                          .max_attempts = FILL_ATTEMPTS,
                                          .log_fd = -1,
                                          .seed = SEED,
                                          .done = on_filled,
                                          .arg = run};
    struct err err = {.text = ""};

    if (orders_init(&orders, SEED, run->row->setup.orders, 0, 0, &err) != 0) {
        break_off(run, "%s", err.text);
        return -1;
    }
    run->filled = false;
    struct load_sender *sender = load_sender_new(&options);
    (void)wait_for(run, is_filled, START_GUARD_REAL_MS, "filling the queue");
    load_sender_get_totals(sender, &totals);
    load_sender_destroy(sender);
    check_backlog(run, &totals);
    return run->broken ? -1 : 0;
}

/* ---- looking ---- */

static int take_payment(void *arg, const char *line, size_t len, struct err *err)
{
    return demo_books_add_payment(arg, line, len, err);
}

/* Queue first, then ledger: what is deleted by then was written before. */
static int look(struct run *run)
{
    struct measure_row *row = run->row;
    struct measure_queue *queue = &run->seen.queue;
    struct err err = {.text = ""};

    if (measure_watch_queue(&run->watch, run->queue, queue, &err) != 0 ||
        demo_tail_read(&run->ledger, take_payment, &row->books, &err) != 0) {
        break_off(run, "%s", err.text);
        return -1;
    }
    if (demo_children_running(&run->children, DEMO_WORKER))
        measure_watch_process(run->children.child[DEMO_WORKER].pid, &run->seen.process);
    struct measure_sample sample = {.t_ms = queue->t_ms,
                                    .visible = queue->visible,
                                    .in_flight = queue->in_flight,
                                    .deleted = queue->deleted,
                                    .paid = row->books.orders_paid};
    measure_samples_add(&row->samples, &sample);
    return 0;
}

static void note_start(struct run *run)
{
    int64_t first_ms = run->seen.queue.first_receive_us / 1000;

    if (run->row->start_ms != 0 || first_ms == 0)
        return;
    run->row->start_ms = first_ms;
    loop_timer_arm_product_floor_ms(&run->limit,
                                    first_ms + measure_time_limit_ms(&run->row->setup) - clock_product_ms(),
                                    LIMIT_FLOOR_REAL_MS);
}

static void on_sample(void *arg)
{
    struct run *run = arg;
    const struct measure_setup *setup = &run->row->setup;
    const struct measure_queue *queue = &run->seen.queue;

    if (look(run) != 0)
        return;
    note_start(run);
    run->drained = setup->naive ? run->row->books.orders_paid == setup->orders
                                : queue->visible + queue->in_flight + queue->delayed == 0;
    if (!run->drained)
        loop_timer_arm_product_floor_ms(&run->sample, SAMPLE_EVERY_MS, SAMPLE_FLOOR_REAL_MS);
}

static void on_limit(void *arg)
{
    struct run *run = arg;

    run->seen.stopped = !run->drained;
}

static bool is_over(struct run *run)
{
    return run->drained || run->seen.stopped;
}

/* ---- the process ---- */

static int start_process(struct run *run, const char *ledger)
{
    const struct measure_setup *setup = &run->row->setup;
    char threads[24], slots[24], per_poller[24], service[48];
    struct err err = {.text = ""};
    char *worker = sandbox_path(run->sandbox.program_dir, "sluice-worker");
    char *self = sandbox_path(run->sandbox.program_dir, "sluice");

    (void)snprintf(threads, sizeof threads, "%" PRId64, setup->threads);
    (void)snprintf(slots, sizeof slots, "%" PRId64, setup->slots);
    (void)snprintf(per_poller, sizeof per_poller, "%" PRId64, setup->per_poller);
    (void)duration_format(setup->service_ms, service);
    const char *const good[] = {worker,         "--queue-url",
                                run->queue_url, "--threads",
                                threads,        "--handler",
                                "payment",      "--payment-slots",
                                slots,          "--payment-time",
                                service,        "--ledger",
                                ledger,         NULL};
    const char *const naive[] = {self,           "measure-naive",  "--queue-url",
                                 run->queue_url, "--pollers",      threads,
                                 "--per-poller", per_poller,       "--payment-slots",
                                 slots,          "--payment-time", service,
                                 "--ledger",     ledger,           NULL};
    run->stopping_worker = false;
    if (demo_children_start(&run->children, DEMO_WORKER, setup->naive ? naive : good, &err) != 0)
        break_off(run, "%s", err.text);
    free(worker);
    free(self);
    return run->broken ? -1 : 0;
}

static bool process_has_ended(struct run *run)
{
    return !demo_children_running(&run->children, DEMO_WORKER);
}

static int stop_process(struct run *run)
{
    run->stopping_worker = true;
    demo_children_signal(&run->children, DEMO_WORKER, SIGTERM);
    return wait_for(run, process_has_ended, STOP_GUARD_REAL_MS, "the worker's end");
}

/* The guard watches the start alone: once messages flow, the row's own limit counts. */
static bool has_begun(struct run *run)
{
    return run->row->start_ms != 0;
}

static int64_t limit_guard_real_ms(const struct run *run)
{
    return clock_real_us_of_product_ms(measure_time_limit_ms(&run->row->setup)) / 1000 + STOP_GUARD_REAL_MS;
}

static void drain(struct run *run, const char *ledger)
{
    demo_tail_init(&run->ledger, ledger);
    if (look(run) != 0 || start_process(run, ledger) != 0)
        return;
    loop_timer_arm_real_ms(&run->sample, 0);
    if (wait_for(run, has_begun, START_GUARD_REAL_MS, "the first receive") == 0)
        (void)wait_for(run, is_over, limit_guard_real_ms(run), "the row");
    loop_timer_cancel(&run->limit);
    loop_timer_cancel(&run->sample);
    if (!run->broken && stop_process(run) == 0 && look(run) == 0) {
        run->seen.process.cpu_s = run->children.child[DEMO_WORKER].cpu_s;
        run->row->measured = true;
    }
}

static void measure_one(struct run *run)
{
    struct measure_row *row = run->row;
    char name[32];

    say(run, "%" PRId64 " %s, %" PRId64 " orders: at least %.0f s%s", row->setup.threads,
        measure_row_word(row), row->setup.orders, (double)row->setup.orders / measure_limit_rate(&row->setup),
        run->measure->speed > 1 ? " of product time" : "");
    run->seen = (struct measure_seen){.samples = &row->samples, .books = &row->books};
    run->drained = false;
    if (make_queue(run) != 0 || fill_queue(run) != 0)
        return;
    (void)snprintf(name, sizeof name, "%s.ledger", run->queue);
    char *ledger = sandbox_path(run->sandbox.folder, name);
    drain(run, ledger);
    demo_tail_clean_up(&run->ledger);
    free(ledger);
    if (!row->measured)
        return;
    measure_compute(&row->setup, &run->seen, &row->figures);
    measure_judge(&row->setup, &row->figures, &run->measure->failures);
    say(run, "    %.4f/s of %.4f/s; %" PRId64 " paid more than once, %" PRId64 " left",
        row->figures.true_rate, row->figures.limit_rate, row->figures.duplicates, row->figures.undeleted);
}

/* ---- all of it ---- */

static bool endpoint_has_ended(struct run *run)
{
    return !demo_children_running(&run->children, DEMO_LOCALAWS);
}

static void run_loop(struct run *run)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

    run->base = loop_base_new();
    loop_timer_init(&run->poll, run->base, on_wake, run);
    loop_timer_init(&run->guard, run->base, on_guard, run);
    loop_timer_init(&run->sample, run->base, on_sample, run);
    loop_timer_init(&run->limit, run->base, on_limit, run);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        run->signals[i] = evsignal_new(run->base, numbers[i], on_signal, run);
        (void)event_add(run->signals[i], NULL);
    }
    demo_children_init(&run->children, run->base, run->sandbox.folder, on_child_exit, run);
    if (start_endpoint(run) != 0)
        return;
    for (size_t i = 0; i < run->measure->row_count && !run->broken; i++) {
        run->row = &run->measure->rows[i];
        measure_one(run);
    }
    run->stopping = true;
    demo_children_signal(&run->children, DEMO_LOCALAWS, SIGTERM);
    (void)wait_for(run, endpoint_has_ended, STOP_GUARD_REAL_MS, "the endpoint's end");
}

static void clean_up(struct run *run)
{
    measure_watch_clean_up(&run->watch);
    aws_client_destroy(run->client);
    if (run->base != NULL) {
        demo_children_clean_up(&run->children); /* kills what an error left */
        for (size_t i = 0; i < sizeof run->signals / sizeof run->signals[0]; i++)
            event_free(run->signals[i]);
        loop_timer_clean_up(&run->poll);
        loop_timer_clean_up(&run->guard);
        loop_timer_clean_up(&run->sample);
        loop_timer_clean_up(&run->limit);
        event_base_free(run->base);
    }
    free(run->queue_url);
    if (run->measure->keep && run->sandbox.folder != NULL)
        run->measure->folder = xstrdup(run->sandbox.folder);
    sandbox_close(&run->sandbox, run->measure->keep);
}

void measure_run(struct measure *measure)
{
    struct run *run = xcalloc(1, sizeof *run);
    struct err err = {.text = ""};
    int64_t begun_ms = clock_mono_ms();

    run->measure = measure;
    if (sandbox_open(&run->sandbox, "measure", &err) != 0 ||
        sandbox_set_environment(measure->speed, &err) != 0)
        break_off(run, "%s", err.text);
    else
        run_loop(run);
    clean_up(run);
    free(run);
    measure->wall_s = (double)(clock_mono_ms() - begun_ms) / 1000.0;
}

void measure_clean_up(struct measure *measure)
{
    for (size_t i = 0; i < measure->row_count; i++) {
        demo_books_clean_up(&measure->rows[i].books);
        measure_samples_clean_up(&measure->rows[i].samples);
    }
    demo_failures_clean_up(&measure->failures);
    free(measure->folder);
}
