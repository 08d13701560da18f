/*
 * A budget of API calls, of one fleet or of all of a supervisor: a token bucket, and by how much intervals
 * stretch so that it does not run dry. Pure; product time (epoch ms) is an argument.
 *
 * The bucket holds ten minutes' worth: a fleet that was quiet for long may poll quickly for a while. Those
 * who share a budget tell what they would call a minute (their share). While the bucket is fuller than 0.6
 * nobody stretches. From there to 0.4 the factor of the quiet ones grows evenly, all alike, until what they
 * take is what the urgent ones leave; that of the urgent ones from 0.35 to 0.15. So the bucket settles where
 * income and spending are equal, and the quiet ones give way first. A tenth of the budget is kept for them:
 * nobody starves.
 *
 * A bucket that is empty all the same (everything became urgent at once) defers polls, except those that the
 * rules cannot do without: these go on credit, down to ten minutes' worth, and are counted.
 */
#ifndef SLUICE_POLICIES_POLL_BUDGET_H
#define SLUICE_POLICIES_POLL_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct poll_budget {
    double per_min; /* calls; 0: no budget */
    double burst;   /* tokens at most, >= 2 */
    double tokens;  /* negative: on credit */
    int64_t at_ms;
    double demand[2]; /* calls a minute of all shares, by urgent */
    unsigned waiting; /* deferred now, so that each waits its turn */
    uint64_t taken, deferred, overdrawn;
};

/* What one fleet wants of a budget; zeroed at the start. */
struct poll_share {
    bool urgent;
    double per_min;
};

/* per_min: 0 (no budget: everything passes) or more. Starts full. */
void poll_budget_init(struct poll_budget *budget, double per_min, int64_t now_ms);

/* Sets a share to what its fleet wants now; calls a minute. */
void poll_budget_want(struct poll_budget *budget, struct poll_share *share, bool urgent, double per_min);

/* By how much the intervals of the urgent or quiet ones are to stretch; >= 1. */
double poll_budget_stretch(struct poll_budget *budget, bool urgent, int64_t now_ms);

/* Takes a token for a call; the last twentieth of the bucket is for the urgent ones. `must`: in any case.
 * false: none to be had, try again after *ret_wait_ms (>= 1). */
bool poll_budget_take(struct poll_budget *budget, bool urgent, bool must, int64_t now_ms,
                      int64_t *ret_wait_ms);

/* A deferred call tries again or was given up: before the next take. */
void poll_budget_resume(struct poll_budget *budget);

/* Calls that were made beyond the one taken: retries. */
void poll_budget_spend(struct poll_budget *budget, double calls, int64_t now_ms);

/* How full the bucket is, 0 to 1. */
double poll_budget_level(struct poll_budget *budget, int64_t now_ms);

#endif
