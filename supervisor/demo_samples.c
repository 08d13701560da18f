/* Samples of a demo and what follows from them; see demo_samples.h. Pure. */
#include "supervisor/demo_samples.h"

#include "base/alloc.h"

#include <stdlib.h>

enum { RATE_WINDOW_S = 10 };

void demo_samples_add(struct demo_samples *samples, const struct demo_sample *sample)
{
    if (samples->count == samples->capacity) {
        samples->capacity = samples->capacity == 0 ? 1024 : samples->capacity * 2;
        samples->all = xrealloc(samples->all, samples->capacity * sizeof *samples->all);
    }
    samples->all[samples->count++] = *sample;
}

void demo_samples_clean_up(struct demo_samples *samples)
{
    free(samples->all);
    *samples = (struct demo_samples){.all = NULL};
}

void demo_sample_count_tasks(struct demo_sample *sample, int64_t running, int64_t pending, int64_t processes)
{
    int64_t beyond = processes - running - pending;

    sample->ready = running;
    sample->starting = pending;
    sample->draining = beyond > 0 ? beyond : 0;
}

int64_t demo_sample_workers(const struct demo_sample *sample)
{
    return sample->ready + sample->starting;
}

static int64_t max_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Index of the first sample with exactly min workers after the last one at the peak; count when there is
 * none. A fleet that never grew has no peak to come back from: its first sample counts. */
static size_t scaled_in_index(const struct demo_samples *samples, int64_t workers_min, int64_t peak)
{
    size_t at = 0;

    for (size_t i = 0; i < samples->count; i++)
        if (demo_sample_workers(&samples->all[i]) == peak && peak != workers_min)
            at = i + 1;
    while (at < samples->count && demo_sample_workers(&samples->all[at]) != workers_min)
        at++;
    return at;
}

/* Each interval counts with the processes seen at its start. */
static double worker_seconds(const struct demo_samples *samples, size_t last)
{
    double sum = 0;

    for (size_t i = 0; i < last && i + 1 < samples->count; i++) {
        const struct demo_sample *s = &samples->all[i];
        sum += (double)(demo_sample_workers(s) + s->draining) * (samples->all[i + 1].t_s - s->t_s);
    }
    return sum;
}

void demo_samples_summarize(const struct demo_samples *samples, int64_t workers_min,
                            struct demo_samples_summary *ret_summary)
{
    struct demo_samples_summary sum = {
        .peak_desired = -1, .final_desired = -1, .first_scale_out_s = -1, .scaled_in_s = -1};
    size_t window = 0;

    for (size_t i = 0; i < samples->count; i++) {
        const struct demo_sample *s = &samples->all[i];
        sum.peak_visible = max_of(sum.peak_visible, s->visible);
        sum.peak_in_flight = max_of(sum.peak_in_flight, s->in_flight);
        sum.peak_workers = max_of(sum.peak_workers, demo_sample_workers(s));
        sum.peak_desired = max_of(sum.peak_desired, s->desired);
        sum.final_desired = s->desired;
        if (sum.first_scale_out_s < 0 && demo_sample_workers(s) > workers_min)
            sum.first_scale_out_s = s->t_s;
        while (s->t_s - samples->all[window].t_s > RATE_WINDOW_S)
            window++;
        double span_s = s->t_s - samples->all[window].t_s;
        double rate = span_s >= RATE_WINDOW_S / 2.0
                          ? (double)(s->completed - samples->all[window].completed) / span_s
                          : 0;
        if (rate > sum.completed_per_s_max)
            sum.completed_per_s_max = rate;
    }
    size_t scaled_in = scaled_in_index(samples, workers_min, sum.peak_workers);
    if (scaled_in < samples->count)
        sum.scaled_in_s = samples->all[scaled_in].t_s;
    /* A fleet that never grew has no return to end the count at. */
    sum.worker_seconds = worker_seconds(samples, sum.peak_workers > workers_min ? scaled_in : samples->count);
    *ret_summary = sum;
}

struct demo_rates demo_samples_rates(const struct demo_samples *samples, double window_s)
{
    struct demo_rates rates = {.completed_per_s = 0};

    if (samples->count < 2)
        return rates;
    const struct demo_sample *last = &samples->all[samples->count - 1];
    size_t at = samples->count - 1;
    while (at > 0 && last->t_s - samples->all[at - 1].t_s <= window_s)
        at--;
    const struct demo_sample *first = &samples->all[at];
    double span_s = last->t_s - first->t_s;
    if (span_s <= 0)
        return rates;
    rates.completed_per_s = (double)(last->completed - first->completed) / span_s;
    rates.apparent_per_s = (double)((last->sent - first->sent) - (last->visible - first->visible)) / span_s;
    return rates;
}
