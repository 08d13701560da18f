/*
 * When a fleet's queue is read next: quickly while something moves, slowly while nothing does, and never more
 * slowly than the rules need. A pure state machine; product time comes with the decisions.
 *
 *   after each controller_step():
 *     struct poll_want want = poll_plan_want(&config, &state, &decision);
 *     int64_t interval_ms = poll_plan_settle(&config, &state, &want, stretch);       (of the budget, 1: none)
 *   before the next one:
 *     reading_set(&obs.poll_interval, poll_plan_basis_ms(&state), now_ms);
 *
 * The interval is `poll_ms` as long as there is a reason (enum poll_reason), and doubles after every three
 * readings without one, up to `poll_max_ms`. What the rules need, and so is kept whatever doubles:
 * - a run of low readings breaks at a gap longer than stale_after. Where stale_after is not configured the
 *   controller takes three intervals (observation.h, poll_interval); where it is, the interval stays within a
 *   third of it;
 * - a fleet that could shrink is looked at five times within scale_in_after at the least, so that a load
 *   that came and went breaks the run as it would at the quick interval;
 * - a wait that is about to end (a cooldown that holds a change back, scale_in_after) ends at a poll.
 */
#ifndef SLUICE_POLICIES_POLL_PLAN_H
#define SLUICE_POLICIES_POLL_PLAN_H

#include "policies/controller.h"
#include "policies/decision.h"
#include "policies/policy.h"

#include <stdbool.h>
#include <stdint.h>

/* X(ENUMERATOR, name, sentence): why the interval is what it is. */
#define POLL_REASONS(X)                                                                                      \
    X(STARTED, started, "the first readings after a start")                                                  \
    X(FAILING, failing, "the queue could not be read")                                                       \
    X(SCALED, scaled, "the fleet was scaled just now")                                                       \
    X(STARTING, starting, "workers are starting")                                                            \
    X(MOVING, moving, "the depth moves")                                                                     \
    X(NEAR, near, "the depth is near a threshold")                                                           \
    X(PENDING, pending, "a change waits for the next reading")                                               \
    X(QUIET, quiet, "nothing happens")

enum poll_reason {
#define X(upper, name, sentence) POLL_##upper,
    POLL_REASONS(X)
#undef X
        POLL_REASON_COUNT
};

/* "moving" and its sentence. */
const char *poll_reason_name(enum poll_reason reason);
const char *poll_reason_sentence(enum poll_reason reason);

/* No interval is longer, however small a budget is; ms. */
enum { POLL_CEILING_MS = 600000 };

struct poll_plan_config {
    int64_t poll_ms;           /* 1 .. POLL_CEILING_MS */
    int64_t poll_max_ms;       /* >= poll_ms; equal: always that */
    int64_t stale_after_ms;    /* as configured; 0: it follows the interval */
    int64_t scale_in_after_ms; /* of the policy's timing */
    int64_t min_workers;
    int64_t lines[POLICY_LINES_MAX]; /* depths at which the policy changes its mind */
    int line_count;
};

/* Zeroed at the start. */
struct poll_plan_state {
    int64_t interval_ms; /* in force; 0: none yet */
    int64_t basis_ms;    /* the longest since the last reading */
    bool read;           /* the next two mean something */
    int64_t at_ms;       /* the last reading */
    int64_t visible;
    int quiet;   /* readings, or failures, in a row without a reason, at this level */
    int level;   /* doublings */
    bool failed; /* the last poll did */
};

struct poll_want {
    int64_t interval_ms;
    enum poll_reason reason;
    bool urgent; /* the rule may act soon: others give way when a budget is short */
};

/* The part of it that a fleet's configuration says. */
struct poll_plan_config poll_plan_config_make(const struct controller_config *controller,
                                              int64_t poll_max_ms);

/* Looks at a step's decision. Its observation tells by visible.at_ms whether there was a new reading; without
 * one the want is as it was, but for the reasons that a decision gives by itself. */
struct poll_want poll_plan_want(const struct poll_plan_config *config, struct poll_plan_state *state,
                                const struct decision *decision);

/* Sets the interval: what is wanted, `stretch` times as long (>= 1) within what the rules need,
 * POLL_CEILING_MS at most. Returns it, ms. */
int64_t poll_plan_settle(const struct poll_plan_config *config, struct poll_plan_state *state,
                         const struct poll_want *want, double stretch);

/* The longest interval that the rules bear, ms: a third of a configured stale_after, but never below poll_ms;
 * else POLL_CEILING_MS. */
int64_t poll_plan_ceiling_ms(const struct poll_plan_config *config);

/* The longest interval that was in force since the last reading, which a reading may be late by; ms, 0: none
 * settled yet. */
int64_t poll_plan_basis_ms(const struct poll_plan_state *state);

#endif
