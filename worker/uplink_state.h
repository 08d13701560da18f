/*
 * When the worker POSTs its telemetry: after each interval while it is taken, with growing waits while nobody
 * takes it. A state machine without I/O or clock.
 *
 * There is no buffer of lines: each POST says who the worker is and how it is now, its counters being sums
 * since its start. So what an absent supervisor missed is in the next POST, and one that was started anew
 * knows everybody after an interval.
 */
#ifndef SLUICE_WORKER_UPLINK_STATE_H
#define SLUICE_WORKER_UPLINK_STATE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    UPLINK_PAUSE_MS = 500,          /* real: after a first miss, doubling ... */
    UPLINK_PAUSE_MAX_MS = 30000,    /* ... up to this */
    UPLINK_INTERVAL_FLOOR_MS = 100, /* least real time between two POSTs: at speed 20 more would only cost */
    UPLINK_RETRY_AFTER_MAX_MS = 60000 /* more than this is not waited for, whatever a reply says */
};

enum uplink_outcome {
    UPLINK_TAKEN,
    UPLINK_REFUSED, /* 3xx, 4xx: the same will be refused again until somebody mends it */
    UPLINK_FAILED   /* no answer, 429, 5xx */
};

struct uplink_state {
    bool on_wire;
    bool ended;   /* nothing is sent any more but bye */
    bool is_told; /* the last POST was taken */
    int misses;   /* in a row */
    int64_t taken, failed, refused;
};

/* Of an HTTP status; 0: no complete reply. */
enum uplink_outcome uplink_outcome_of(int http_status);

/* Whether a POST may go out now: it is on the wire from then on, until uplink_state_done(). */
bool uplink_state_begin(struct uplink_state *state);

/* What to wait until the next POST. */
struct uplink_wait {
    bool is_interval; /* the interval (product time), else real_ms */
    int64_t real_ms;
};

/* jitter: 0 to 1, chance: a wait is half to all of the pause, so that many workers do not come back at once.
 * retry_after_ms: what the reply asked for, -1: nothing. */
struct uplink_wait uplink_state_done(struct uplink_state *state, enum uplink_outcome outcome,
                                     int64_t retry_after_ms, double jitter);

/* The worker leaves; what is on the wire is cancelled. True when bye should be sent, once: a supervisor that
 * did not answer lately is not waited for. */
bool uplink_state_end(struct uplink_state *state);

#endif
