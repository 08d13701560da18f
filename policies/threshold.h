/* The policy "threshold": depth above a line grows by a step table, depth below another for long enough
 * shrinks. */
#ifndef SLUICE_POLICIES_THRESHOLD_H
#define SLUICE_POLICIES_THRESHOLD_H

#include "policies/policy.h"

#include <stdint.h>

enum { THRESHOLD_STEPS_MAX = 16 };
/* Ten times the in-flight limit of a standard queue and more: a guard against typing errors. */
enum { THRESHOLD_DEPTH_MAX = 1000000000 };

enum threshold_step_kind {
    THRESHOLD_STEP_ADD,
    THRESHOLD_STEP_TO,
    THRESHOLD_STEP_TO_TARGET,
    THRESHOLD_STEP_TO_MAX
};

/* One row: a depth above `above` messages grows the fleet so. */
struct threshold_step {
    int64_t above;
    enum threshold_step_kind kind;
    int64_t workers; /* ADD: how many more; TO: how many in all */
};

/* Plain data; all durations in ms. */
struct threshold_params {
    int64_t scale_out_above;
    int64_t scale_in_below;
    int64_t scale_in_after_ms;
    int64_t cooldown_ms; /* only the default of the two below */
    int64_t scale_out_cooldown_ms;
    int64_t scale_in_cooldown_ms;
    struct threshold_step steps[THRESHOLD_STEPS_MAX]; /* above ascends strictly */
    int64_t step_count;
};

/* Times are those of samples (when the queue said it), not of steps: a sample that is looked at twice proves
 * nothing more. */
struct threshold_state {
    bool low;               /* the last sample was below scale_in_below */
    bool sampled;           /* last_sample_ms means something */
    int64_t low_since_ms;   /* the first sample of the unbroken run of low ones */
    int64_t last_sample_ms; /* the newest sample seen */
};

extern const struct policy POLICY_THRESHOLD;

#endif
