/* The controller's inside, shared by controller.c (steps) and controller_state.c (save and restore) only. */
#ifndef SLUICE_POLICIES_CONTROLLER_PRIVATE_H
#define SLUICE_POLICIES_CONTROLLER_PRIVATE_H

#include "policies/controller.h"

#include <stdbool.h>
#include <stdint.h>

/* Two samples in a row that lean to fewer workers let a shrink pass (rule 5). */
enum { CONTROLLER_LEAN_SAMPLES = 2 };

/* Everything that a later step depends on, apart from the policy's own state. Written by controller.c only,
 * but for a restore. All times are product time, epoch ms. */
struct controller_state {
    int64_t seq;     /* steps so far */
    int64_t desired; /* what is ordered; always within the limits */

    int64_t scale_out_until_ms; /* end of the scale-out cooldown */
    int64_t scale_out_rank;     /* rank of the last growth; -1: none that a step could fall behind */
    int64_t scale_in_until_ms;  /* end of the scale-in cooldown */

    struct override override; /* an operator's order, perhaps over by now; kind NONE: there is none */

    int64_t hold_until_ms; /* no shrink before */
    int64_t hold_ms;       /* length of that hold: bounds it when the clock goes back */

    int64_t lean_count;     /* samples in a row that leaned in, up to CONTROLLER_LEAN_SAMPLES */
    int64_t lean_sample_ms; /* the newest of them */

    bool acted;              /* acted_sample_ms means something */
    int64_t acted_sample_ms; /* the sample on which desired last changed: it is not acted upon twice */

    bool stepped;           /* last_step_ms and quiet_since_ms mean something */
    int64_t last_step_ms;   /* time of the last step */
    int64_t quiet_since_ms; /* the last fresh sample, or since when we have been looking for one */
};

struct controller {
    struct controller_config config; /* owned deep copy */
    struct controller_state state;
    void *policy_state; /* owned; config.policy->state_size bytes */
};

int64_t controller_clamp_to_limits(const struct controller *ctl, int64_t desired);

#endif
