/*
 * How long a slot waits before its worker is started again: doubling from a least to a longest wait, with
 * jitter so that thirty slots that died together do not come back together. Pure; time stays outside. Times
 * are product ms.
 */
#ifndef SLUICE_SUPERVISOR_RESTART_BACKOFF_H
#define SLUICE_SUPERVISOR_RESTART_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

enum restart_cause {
    RESTART_CRASHED,       /* signal or non-zero exit, no ready in time, hung, fork or exec failed */
    RESTART_MISCONFIGURED, /* exit 64, 65, 77 or 78: trying again soon will not help */
    RESTART_LEFT,          /* exit 0 though nobody asked */
    RESTART_CAUSE_MAX,
};

/* "crashed", "misconfigured", "left" */
const char *restart_cause_name(enum restart_cause cause);

/* The cause behind a wait status as waitpid() gives it. */
enum restart_cause restart_cause_of_status(int status);

struct restart_backoff {
    int64_t least_ms;   /* shortest wait after a failure; > 0 */
    int64_t longest_ms; /* >= least_ms */
    uint64_t random;    /* state of the jitter; seed it with anything */
    int failures;       /* in a row, since the last healthy period */
};

/* Failures in a row from which on a slot counts as crash-looping. */
enum { RESTART_CRASH_LOOP_FAILURES = 3 };

/* Counts a failure and returns the wait. The n-th failure in a row waits between half of c and c, where c is
 * min(longest, least x 2^n), so the first waits least..2 least; a misconfigured worker waits longest at once;
 * one that left with exit 0 after a healthy period is no failure and waits 0. */
int64_t restart_backoff_next_ms(struct restart_backoff *backoff, enum restart_cause cause, bool was_healthy);

/* A healthy period has passed. */
void restart_backoff_forgive(struct restart_backoff *backoff);

bool restart_backoff_is_crash_loop(const struct restart_backoff *backoff);

#endif
