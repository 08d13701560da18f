/* One sample a product second; see demo_sampler.h. */
#include "supervisor/demo_sampler.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_tick(void *arg);

/* ---- books ---- */

static int take_sent(void *arg, const char *line, size_t len, struct err *err)
{
    return demo_books_add_sent(arg, line, len, err);
}

static int take_payment(void *arg, const char *line, size_t len, struct err *err)
{
    return demo_books_add_payment(arg, line, len, err);
}

int demo_sampler_read_books(struct demo_sampler *sampler, struct err *err)
{
    if (demo_tail_read(&sampler->sent_tail, take_sent, &sampler->books, err) != 0)
        return -1;
    return demo_tail_read(&sampler->ledger_tail, take_payment, &sampler->books, err);
}

/* ---- workers ---- */

static const struct demo_status_worker *reported(const struct demo_sampler *s, pid_t pid)
{
    for (size_t i = 0; i < s->last_status.worker_count; i++)
        if (s->last_status.workers[i].pid == pid)
            return &s->last_status.workers[i];
    return NULL;
}

enum demo_worker_state demo_sampler_state_of(const struct demo_sampler *sampler,
                                             const struct demo_proc_worker *worker)
{
    if (worker->orphan)
        return DEMO_WORKER_DRAINING;
    const struct demo_status_worker *said = reported(sampler, worker->pid);
    /* Younger than the supervisor's last word. */
    return said == NULL ? DEMO_WORKER_STARTING : said->state;
}

/* Threads count for a worker that is still ready after they were counted: a process on its way out has fewer.
 */
static void settle_threads(struct demo_sampler *s)
{
    for (size_t i = 0; i < s->counted_count; i++) {
        const struct demo_status_worker *now = reported(s, s->counted[i].pid);
        if (now != NULL && now->state == DEMO_WORKER_READY &&
            (s->threads_min == 0 || s->counted[i].threads < s->threads_min))
            s->threads_min = s->counted[i].threads;
    }
    s->counted_count = 0;
}

static void note_starts(struct demo_sampler *s)
{
    for (size_t i = 0; i < s->last_status.worker_count; i++) {
        const struct demo_status_worker *worker = &s->last_status.workers[i];
        size_t at = 0;
        while (at < s->start_count && s->starts[at].pid != worker->pid)
            at++;
        if (worker->start_ready_ms < 0 || at < s->start_count)
            continue;
        if (s->start_count == s->start_capacity) {
            s->start_capacity = s->start_capacity == 0 ? 64 : s->start_capacity * 2;
            s->starts = xrealloc(s->starts, s->start_capacity * sizeof *s->starts);
        }
        s->starts[s->start_count++] =
            (struct demo_start){.pid = worker->pid, .real_ms = worker->start_ready_ms};
    }
}

static void scan(struct demo_sampler *s, pid_t parent)
{
    (void)demo_proc_scan(&s->proc, parent);
    s->counted = xrealloc(s->counted, (s->proc.count + 1) * sizeof *s->counted);
}

static void count_workers(struct demo_sampler *s, struct demo_sample *sample)
{
    scan(s, s->supervisor_pid);
    s->counted_count = 0;
    sample->desired = s->supervisor_pid != 0 ? s->last_status.desired : -1;
    for (size_t i = 0; i < s->proc.count; i++) {
        const struct demo_proc_worker *worker = &s->proc.workers[i];
        switch (demo_sampler_state_of(s, worker)) {
        case DEMO_WORKER_STARTING:
            sample->starting++;
            break;
        case DEMO_WORKER_READY:
            sample->ready++;
            s->counted[s->counted_count++] = *worker;
            break;
        case DEMO_WORKER_DRAINING:
            sample->draining++;
            break;
        }
    }
}

/* ---- tasks ---- */

static const struct demo_proc_worker *still_there(const struct demo_sampler *s,
                                                  const struct demo_proc_worker *worker)
{
    for (size_t i = 0; i < s->proc.count; i++)
        if (s->proc.workers[i].pid == worker->pid && s->proc.workers[i].start_ticks == worker->start_ticks)
            return &s->proc.workers[i];
    return NULL;
}

/* Nobody tells which process is ready. One that has paid is; and as long as the service has no other tasks
 * than running ones, before and after it was counted, none is on its way out. */
static void count_task_threads(struct demo_sampler *s, bool all_run)
{
    for (size_t i = 0; all_run && i < s->counted_count; i++)
        if (still_there(s, &s->counted[i]) != NULL &&
            (s->threads_min == 0 || s->counted[i].threads < s->threads_min))
            s->threads_min = s->counted[i].threads;
    s->counted_count = 0;
    for (size_t i = 0; all_run && i < s->proc.count; i++)
        if (demo_books_has_paid(&s->books, s->proc.workers[i].pid))
            s->counted[s->counted_count++] = s->proc.workers[i];
}

static void count_tasks(struct demo_sampler *s, struct demo_sample *sample)
{
    const struct demo_service_facts *facts = &s->options.service->facts;

    scan(s, s->options.tasks_pid);
    sample->desired = facts->desired;
    demo_sample_count_tasks(sample, facts->running, facts->pending, (int64_t)s->proc.count);
    count_task_threads(s, facts->pending == 0 && (int64_t)s->proc.count == facts->running);
}

/* ---- one sample ---- */

static void arm(struct demo_sampler *s)
{
    int64_t now_ms = clock_product_ms();
    int64_t origin_ms = s->books.start_ms; /* samples stand on whole seconds of the sale */
    /* A sample that came late leaves its successor's second out rather than crowd it. */
    int64_t half_ms = DEMO_SAMPLE_EVERY_MS / 2;
    int64_t into_ms = (now_ms - origin_ms + half_ms) % DEMO_SAMPLE_EVERY_MS;

    loop_timer_arm_product_ms(&s->timer, DEMO_SAMPLE_EVERY_MS + half_ms - into_ms);
}

static void compose(struct demo_sampler *s)
{
    struct demo_sample sample = {.desired = -1};
    struct err err = {.text = ""};

    if (demo_sampler_read_books(s, &err) != 0) {
        s->options.on_error(s->options.arg, &err);
        return;
    }
    arm(s);
    if (!s->depth_known || (s->options.service != NULL && !s->service_known))
        return;
    if (s->options.service != NULL)
        count_tasks(s, &sample);
    else
        count_workers(s, &sample);
    bool in_sale = s->books.start_ms != 0;
    sample.t_s = in_sale ? (double)(clock_product_ms() - s->books.start_ms) / 1000.0 : 0;
    sample.visible = s->depth.visible;
    sample.in_flight = s->depth.in_flight;
    sample.delayed = s->depth.delayed;
    sample.completed = s->books.orders_paid;
    sample.sent = s->books.orders_sent;
    if (in_sale)
        demo_samples_add(&s->samples, &sample);
    s->options.on_sample(s->options.arg, &sample, in_sale);
}

static void compose_when_complete(struct demo_sampler *s)
{
    if (!s->depth_pending && !s->status_pending && !s->service_pending)
        compose(s);
}

static void on_service(void *arg, const struct err *err)
{
    struct demo_sampler *s = arg;

    s->service_pending = false;
    s->service_known = err == NULL;
    s->service_failures = err == NULL ? 0 : s->service_failures + 1;
    compose_when_complete(s);
}

static void on_depth(void *arg, const struct aws_result *result,
                     const struct sqs_queue_attributes *attributes)
{
    struct demo_sampler *s = arg;

    s->call = NULL;
    s->depth_pending = false;
    s->depth_known = result->kind == AWS_KIND_OK && attributes->visible >= 0 && attributes->in_flight >= 0 &&
                     attributes->delayed >= 0;
    s->depth_failures = s->depth_known ? 0 : s->depth_failures + 1;
    if (s->depth_known)
        s->depth = *attributes;
    compose_when_complete(s);
}

static void on_status(void *arg, const struct demo_status_report *report, const struct err *err)
{
    struct demo_sampler *s = arg;

    (void)err;
    s->status_pending = false;
    s->status_failures = report != NULL ? 0 : s->status_failures + 1;
    if (report != NULL) {
        struct demo_status_worker *workers = xcalloc(report->worker_count + 1, sizeof *workers);
        if (report->worker_count > 0)
            memcpy(workers, report->workers, report->worker_count * sizeof *workers);
        demo_status_report_clean_up(&s->last_status);
        s->last_status = *report;
        s->last_status.workers = workers;
        if (report->decision[0] != '\0')
            (void)snprintf(s->decision, sizeof s->decision, "%s", report->decision);
        if (report->restarts > s->restarts)
            s->restarts = report->restarts;
        if (report->reporting > s->reporting_max)
            s->reporting_max = report->reporting;
        if (s->options.service == NULL)
            settle_threads(s);
        note_starts(s);
    }
    compose_when_complete(s);
}

static void on_tick(void *arg)
{
    struct demo_sampler *s = arg;

    s->depth_pending = true;
    s->status_pending = s->supervisor_pid != 0;
    s->service_pending = s->options.service != NULL;
    s->call = sqs_get_queue_attributes(s->options.client, s->options.queue_url, false, on_depth, s);
    if (s->status_pending)
        demo_status_get(&s->status, on_status, s);
    if (s->service_pending)
        demo_service_look(s->options.service, on_service, s);
}

/* ---- life ---- */

void demo_sampler_init(struct demo_sampler *sampler, const struct demo_sampler_options *options)
{
    *sampler = (struct demo_sampler){.options = *options, .last_status = {.desired = -1}};
    demo_tail_init(&sampler->sent_tail, options->sent_path);
    demo_tail_init(&sampler->ledger_tail, options->ledger_path);
    demo_proc_init(&sampler->proc, options->mark);
    demo_status_init(&sampler->status, options->base, options->admin_socket);
    loop_timer_init(&sampler->timer, options->base, on_tick, sampler);
}

void demo_sampler_clean_up(struct demo_sampler *sampler)
{
    if (sampler->options.base == NULL)
        return;
    demo_sampler_stop(sampler);
    demo_status_clean_up(&sampler->status);
    loop_timer_clean_up(&sampler->timer);
    demo_tail_clean_up(&sampler->sent_tail);
    demo_tail_clean_up(&sampler->ledger_tail);
    demo_proc_clean_up(&sampler->proc);
    demo_samples_clean_up(&sampler->samples);
    demo_books_clean_up(&sampler->books);
    demo_status_report_clean_up(&sampler->last_status);
    free(sampler->counted);
    free(sampler->starts);
    *sampler = (struct demo_sampler){.supervisor_pid = 0};
}

void demo_sampler_start(struct demo_sampler *sampler)
{
    loop_timer_arm_product_ms(&sampler->timer, 0);
}

void demo_sampler_stop(struct demo_sampler *sampler)
{
    aws_call_cancel(sampler->call);
    sampler->call = NULL;
    sampler->depth_pending = false;
    demo_status_cancel(&sampler->status);
    sampler->status_pending = false;
    if (sampler->service_pending)
        demo_service_cancel(sampler->options.service);
    sampler->service_pending = false;
    loop_timer_cancel(&sampler->timer);
}

void demo_sampler_set_supervisor(struct demo_sampler *sampler, pid_t pid)
{
    sampler->supervisor_pid = pid;
    if (pid != 0)
        return;
    demo_status_report_clean_up(&sampler->last_status);
    sampler->counted_count = 0;
}
