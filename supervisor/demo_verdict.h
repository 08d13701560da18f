/* Is it good? The list of what went wrong in a demo, and the checks of its figures. Pure. */
#ifndef SLUICE_SUPERVISOR_DEMO_VERDICT_H
#define SLUICE_SUPERVISOR_DEMO_VERDICT_H

#include "supervisor/demo_samples.h"
#include "supervisor/demo_truth.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct demo_failures {
    char **texts; /* owned */
    size_t count;
};

void demo_failures_add(struct demo_failures *failures, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void demo_failures_clean_up(struct demo_failures *failures);

struct demo_verdict_input {
    const struct demo_truth *truth;
    const struct demo_samples_summary *summary;
    const struct demo_samples *samples;
    const struct demo_kill *kills;
    size_t kill_count;
    bool chaos;
    int64_t kills_wanted; /* with chaos */
    int64_t orders;       /* that load was asked to send */
    int64_t malformed;    /* of them */
    int64_t workers_min, workers_max;
    int64_t threads;  /* NUM_WORKERS */
    long threads_min; /* seen in /proc; 0 none counted */
    int64_t restarts; /* of workers */
};

/* Adds a failure for every figure that is not as it must be. */
void demo_verdict_check(const struct demo_verdict_input *input, struct demo_failures *failures);

/* Workers (ready + starting) in the last sample, -1 without one. */
int64_t demo_verdict_final_workers(const struct demo_samples *samples);

#endif
