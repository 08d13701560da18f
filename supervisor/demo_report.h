/* What a demo says at its end: in words for people, as JSON for programs. Pure. */
#ifndef SLUICE_SUPERVISOR_DEMO_REPORT_H
#define SLUICE_SUPERVISOR_DEMO_REPORT_H

#include "base/strbuf.h"
#include "supervisor/demo_books.h"
#include "supervisor/demo_samples.h"
#include "supervisor/demo_truth.h"
#include "supervisor/demo_verdict.h"

#include <stdbool.h>
#include <stdint.h>

struct demo_report {
    /* what was asked for */
    int64_t speed;
    double rate;
    int64_t duration_ms;
    int64_t orders;
    int64_t workers_min, workers_target, workers_max;
    int64_t threads, slots, payment_ms;
    double sns_share, malformed_share;
    int64_t seed;
    bool chaos;
    bool ecs;                     /* the workers are tasks of an ECS service */
    int64_t ecs_start_latency_ms; /* product; of them */
    int64_t reporting_max;        /* of them: most that the supervisor heard of at once */

    /* what came of it; all borrowed */
    const struct demo_books *books;
    const struct demo_truth *truth;
    const struct demo_samples_summary *summary;
    const struct demo_samples *samples;
    const struct demo_kill *kills;
    size_t kill_count;
    const struct demo_failures *failures;
    long threads_min;
    double start_ready_ms_p50, start_ready_ms_p99; /* real; -1 unknown */
    size_t starts;
    int64_t restarts;   /* workers that were started again */
    double wall_s;      /* real */
    const char *folder; /* kept work folder, NULL when it is removed */
};

void demo_report_write_text(const struct demo_report *report, struct strbuf *out);
/* One object and a newline. Numbers that do not exist (nothing was drained, say) are null. */
void demo_report_write_json(const struct demo_report *report, struct strbuf *out);

#endif
