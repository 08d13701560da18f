/*
 * The retry-storm brake: when most of what is handled fails, handling more of it at once only burns receives
 * and hurts what is failing. Over the last outcomes the share of failures is looked at; above the threshold
 * the number of messages that may be handled at once is halved, down to one, and when they succeed again it
 * is raised by half, until nothing is held back. Pure, no clock: the pace is that of the outcomes.
 *
 *           share > threshold, judged by min(50, max(10, limit)) outcomes since the last step: limit / 2
 *   open ───────────────────────────────► braking ──┐
 *    ▲  limit * 1.5 >= ceiling              │  ▲    │ share <= threshold, judged by min(50, max(4, limit))
 *    └──────────────────────────────────────┘  └────┘ outcomes: limit * 1.5
 *
 * The idea is AIMD congestion control (Chiu and Jain 1989), with a multiplicative way back, for outcomes come
 * slowly when one message is handled at a time.
 */
#ifndef SLUICE_WORKER_BRAKE_H
#define SLUICE_WORKER_BRAKE_H

#include <stdbool.h>
#include <stdint.h>

enum { BRAKE_WINDOW = 50, BRAKE_LEAST = 10, BRAKE_LEAST_BACK = 4 };

struct brake {
    int percent; /* threshold; 0: never brakes */
    int limit;   /* at once at most; INT_MAX: open */
    bool failures[BRAKE_WINDOW];
    int count; /* outcomes in the window, which starts anew with every step */
    int next;
    int failed; /* of these */
};

void brake_init(struct brake *brake, int percent);

/* One outcome: a failure or not. ceiling: messages that may be handled at once without the brake, >= 0. True
 * when the limit changed. */
bool brake_on_outcome(struct brake *brake, bool failure, int ceiling);

/* How far it is closed: 0 open, 99 nearly closed. */
int brake_closed_percent(const struct brake *brake, int ceiling);

/* Share of failures in the window. */
int brake_failure_percent(const struct brake *brake);

#endif
