/* The checks of a demo's figures; see demo_verdict.h. Pure. */
#include "supervisor/demo_verdict.h"

#include "base/alloc.h"
#include "base/strbuf.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

void demo_failures_add(struct demo_failures *failures, const char *fmt, ...)
{
    struct strbuf text = STRBUF_INIT;
    va_list args;

    va_start(args, fmt);
    strbuf_vappendf(&text, fmt, args);
    va_end(args);
    failures->texts = xrealloc(failures->texts, (failures->count + 1) * sizeof *failures->texts);
    failures->texts[failures->count++] = strbuf_take(&text);
}

void demo_failures_clean_up(struct demo_failures *failures)
{
    for (size_t i = 0; i < failures->count; i++)
        free(failures->texts[i]);
    free(failures->texts);
    *failures = (struct demo_failures){.texts = NULL};
}

int64_t demo_verdict_final_workers(const struct demo_samples *samples)
{
    return samples->count == 0 ? -1 : demo_sample_workers(&samples->all[samples->count - 1]);
}

static void check_orders(const struct demo_verdict_input *in, struct demo_failures *failures)
{
    const struct demo_truth *t = in->truth;

    if (t->sent != in->orders)
        demo_failures_add(failures, "%" PRId64 " orders were acknowledged instead of %" PRId64, t->sent,
                          in->orders);
    if (t->lost != 0)
        demo_failures_add(failures, "%" PRId64 " orders are lost", t->lost);
    if (t->failed != 0)
        demo_failures_add(failures, "%" PRId64 " good orders are in the dead-letter queue", t->failed);
    if (t->dead_malformed != in->malformed)
        demo_failures_add(failures,
                          "%" PRId64 " malformed orders are in the dead-letter queue instead of %" PRId64,
                          t->dead_malformed, in->malformed);
    if (t->malformed_paid != 0)
        demo_failures_add(failures, "%" PRId64 " malformed orders were paid", t->malformed_paid);
    if (t->paid_unacknowledged != 0)
        demo_failures_add(failures, "%" PRId64 " orders were paid that were never acknowledged",
                          t->paid_unacknowledged);
    if (t->duplicates_unexplained != 0)
        demo_failures_add(failures, "%" PRId64 " payments were made twice%s", t->duplicates_unexplained,
                          in->chaos ? " and no kill explains them" : "");
    if (t->physics[0] != '\0')
        demo_failures_add(failures, "faster than physics allows: %s", t->physics);
}

static void check_workers(const struct demo_verdict_input *in, struct demo_failures *failures)
{
    int64_t final_workers = demo_verdict_final_workers(in->samples);

    if (final_workers != in->workers_min)
        demo_failures_add(failures, "%" PRId64 " workers at the end instead of %" PRId64, final_workers,
                          in->workers_min);
    if (in->summary->scaled_in_s < 0)
        demo_failures_add(failures, "the fleet did not come back to %" PRId64 " workers", in->workers_min);
    if (in->summary->peak_workers > in->workers_max)
        demo_failures_add(failures, "%" PRId64 " workers at the peak, above the limit of %" PRId64,
                          in->summary->peak_workers, in->workers_max);
    if (in->summary->peak_desired > in->workers_max)
        demo_failures_add(failures, "a desired count of %" PRId64 " at the peak, above the limit of %" PRId64,
                          in->summary->peak_desired, in->workers_max);
    if (in->summary->final_desired >= 0 && in->summary->final_desired != in->workers_min)
        demo_failures_add(failures, "a desired count of %" PRId64 " at the end instead of %" PRId64,
                          in->summary->final_desired, in->workers_min);
    if (in->threads_min < in->threads + 1)
        demo_failures_add(failures,
                          "a ready worker had %ld threads: want %" PRId64 " handler threads and its own",
                          in->threads_min, in->threads);
}

/* Without kills no worker has a reason to end before it is told to. */
static void check_restarts(const struct demo_verdict_input *in, struct demo_failures *failures)
{
    if (!in->chaos && in->restarts > 0)
        demo_failures_add(failures, "%" PRId64 " workers ended by themselves and were started again",
                          in->restarts);
}

static void check_kills(const struct demo_verdict_input *in, struct demo_failures *failures)
{
    if (!in->chaos)
        return;
    if ((int64_t)in->kill_count != in->kills_wanted)
        demo_failures_add(failures, "%zu kills were made instead of %" PRId64, in->kill_count,
                          in->kills_wanted);
    for (size_t i = 0; i < in->kill_count; i++)
        if (in->kills[i].payments_running <= 0)
            demo_failures_add(failures, "kill %zu met no running payment", i + 1);
}

void demo_verdict_check(const struct demo_verdict_input *input, struct demo_failures *failures)
{
    check_orders(input, failures);
    check_workers(input, failures);
    check_restarts(input, failures);
    check_kills(input, failures);
}
