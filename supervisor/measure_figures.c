/* Rates, shares and verdicts of a measurement; see measure_figures.h. Pure. */
#include "supervisor/measure_figures.h"

#include "base/alloc.h"
#include "supervisor/demo_truth.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { MINUTE_MS = 60000, TEN_SECONDS_MS = 10000 };

void measure_samples_add(struct measure_samples *samples, const struct measure_sample *sample)
{
    if (samples->count == samples->capacity) {
        samples->capacity = samples->capacity == 0 ? 1024 : samples->capacity * 2;
        samples->all = xrealloc(samples->all, samples->capacity * sizeof *samples->all);
    }
    samples->all[samples->count++] = *sample;
}

void measure_samples_clean_up(struct measure_samples *samples)
{
    free(samples->all);
    *samples = (struct measure_samples){.count = 0};
}

/* ---- limits ---- */

int64_t measure_concurrency(const struct measure_setup *setup)
{
    return setup->naive ? setup->threads * setup->per_poller : setup->threads;
}

double measure_limit_rate(const struct measure_setup *setup)
{
    int64_t at_once = measure_concurrency(setup);

    if (at_once > setup->slots)
        at_once = setup->slots;
    return (double)at_once * 1000.0 / (double)setup->service_ms;
}

int64_t measure_time_limit_ms(const struct measure_setup *setup)
{
    return (int64_t)(2000.0 * (double)setup->orders / measure_limit_rate(setup));
}

/* ---- rates ---- */

double measure_apparent_rate(const struct measure_samples *samples, int64_t from_ms, int64_t window_ms)
{
    size_t at = 0;

    if (samples->count == 0)
        return 0;
    while (at + 1 < samples->count && samples->all[at].t_ms < from_ms + window_ms)
        at++;
    int64_t span_ms = samples->all[at].t_ms - from_ms;
    int64_t fall = samples->all[0].visible - samples->all[at].visible;
    return span_ms > 0 ? (double)fall * 1000.0 / (double)span_ms : 0;
}

static void look_at_depth(const struct measure_seen *seen, struct measure_figures *f)
{
    const struct measure_samples *samples = seen->samples;
    int64_t from_ms = seen->queue.first_receive_us / 1000;

    for (size_t i = 0; i < samples->count; i++) {
        const struct measure_sample *s = &samples->all[i];
        if (s->visible > f->peak_visible)
            f->peak_visible = s->visible;
        if (i == 0 || (s->t_ms <= from_ms + MINUTE_MS && s->visible < f->low_visible_first_minute))
            f->low_visible_first_minute = s->visible;
    }
    if (from_ms == 0)
        return;
    f->apparent_rate = measure_apparent_rate(samples, from_ms, MINUTE_MS);
    f->apparent_rate_10s = measure_apparent_rate(samples, from_ms, TEN_SECONDS_MS);
}

/* The ledger is in the order of writing: the first line of an order is its first payment. */
static void count_payments(const struct measure_seen *seen, int64_t orders, struct measure_figures *f)
{
    const struct demo_books *books = seen->books;
    int64_t *payments_of = xcalloc(books->orders.count + 1, sizeof *payments_of);
    int64_t last_first_ms = 0;

    for (size_t i = 0; i < books->payment_count; i++) {
        const struct demo_payment *payment = &books->payments[i];
        int64_t nth = ++payments_of[payment->order];
        f->completed += nth == 1;
        f->duplicates += nth == 2;
        f->paid_again += nth >= 2;
        if (nth == 1 && payment->end_ms > last_first_ms)
            last_first_ms = payment->end_ms;
    }
    free(payments_of);
    f->payments = (int64_t)books->payment_count;
    f->paid_once_s = -1;
    if (f->completed == orders && seen->queue.first_receive_us > 0)
        f->paid_once_s = (double)last_first_ms / 1e3 - (double)seen->queue.first_receive_us / 1e6;
}

/* The demo's checks of physics, for one process. */
static void check_physics(const struct measure_setup *setup, const struct measure_seen *seen,
                          struct measure_figures *f)
{
    struct demo_ids none = {.count = 0};
    struct demo_truth_input input = {.books = seen->books,
                                     .dead_letters = &none,
                                     .slots = setup->slots,
                                     .payment_ms = setup->service_ms,
                                     .workers_max = 1};
    struct demo_truth truth;

    demo_truth_compute(&input, &truth);
    f->concurrency_max = truth.concurrency_max;
    (void)snprintf(f->physics, sizeof f->physics, "%s", truth.physics);
}

void measure_compute(const struct measure_setup *setup, const struct measure_seen *seen,
                     struct measure_figures *ret_figures)
{
    const struct measure_queue *queue = &seen->queue;
    struct measure_figures *f = ret_figures;

    *f = (struct measure_figures){.limit_rate = measure_limit_rate(setup),
                                  .deleted = queue->deleted,
                                  .undeleted = queue->visible + queue->in_flight + queue->delayed,
                                  .drained_s = -1,
                                  .process = seen->process,
                                  .stopped = seen->stopped};
    look_at_depth(seen, f);
    count_payments(seen, setup->orders, f);
    check_physics(setup, seen, f);
    f->paid_undeleted = f->completed > f->deleted ? f->completed - f->deleted : 0;
    double span_s = (double)(queue->last_delete_us - queue->first_receive_us) / 1e6;
    if (queue->deleted > 0 && span_s > 0) {
        f->true_rate = (double)queue->deleted / span_s;
        f->share_of_limit = f->true_rate / f->limit_rate;
    }
    if (f->undeleted == 0 && queue->deleted == setup->orders)
        f->drained_s = span_s;
}

/* ---- verdict ---- */

void measure_judge(const struct measure_setup *setup, const struct measure_figures *f,
                   struct demo_failures *failures)
{
    /* A message is deleted after its payment, so what is deleted or still there is all there was. */
    int64_t gone_unpaid = f->deleted - f->completed;

    if (gone_unpaid > 0)
        demo_failures_add(failures, "%" PRId64 " orders were deleted and not paid", gone_unpaid);
    if (f->deleted + f->undeleted != setup->orders)
        demo_failures_add(failures,
                          "%" PRId64 " of %" PRId64 " messages are neither deleted nor in the queue",
                          setup->orders - f->deleted - f->undeleted, setup->orders);
    /* Times are whole microseconds. */
    if (f->true_rate > f->limit_rate * (1 + 1e-6))
        demo_failures_add(failures,
                          "a true rate of %.4f/s is above the limit of %.4f/s: the measurement is wrong",
                          f->true_rate, f->limit_rate);
    if (f->physics[0] != '\0')
        demo_failures_add(failures, "%s: the measurement is wrong", f->physics);
    if (setup->naive)
        return;
    if (f->completed < setup->orders)
        demo_failures_add(failures, "%" PRId64 " of %" PRId64 " orders were not paid",
                          setup->orders - f->completed, setup->orders);
    if (f->undeleted > 0)
        demo_failures_add(failures, "%" PRId64 " messages were not deleted%s", f->undeleted,
                          f->stopped ? " in twice the time that the slots need" : "");
    if (f->duplicates > 0)
        demo_failures_add(failures, "%" PRId64 " orders were paid more than once", f->duplicates);
}

/* ---- the source ---- */

const struct measure_source MEASURE_SOURCE[MEASURE_SOURCE_ROWS] = {
    {1, 2784, 48, 1.67},
    {5, 2858, 43, 1.83},
    {20, 2630, 30, 1.45},
    {100, 2746, 19, 2.48},
};

const struct measure_source *measure_source_find(int64_t threads)
{
    for (int i = 0; i < MEASURE_SOURCE_ROWS; i++)
        if (MEASURE_SOURCE[i].threads == threads)
            return &MEASURE_SOURCE[i];
    return NULL;
}

double measure_source_rate(const struct measure_source *source)
{
    return (double)source->peak / (60.0 * (double)source->drain_min);
}

double measure_source_limit(void)
{
    return MEASURE_SOURCE_SLOTS * 1000.0 / MEASURE_SOURCE_SERVICE_MS;
}

double measure_source_least_min(const struct measure_source *source)
{
    return (double)source->peak / measure_source_limit() / 60.0;
}
