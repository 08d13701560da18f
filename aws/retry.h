/*
 * The standard retry algorithm as renewed in 2026: a quota shared by all calls of a client, exponential
 * backoff with full jitter, hints of the server. Pure: random numbers are arguments, delays are results.
 *
 * Source: AWS Developer Tools blog, "Announcing updated retry behavior for AWS SDKs and Tools"; botocore
 * retries/standard.py, @smithy/core retry.
 */
#ifndef SLUICE_AWS_RETRY_H
#define SLUICE_AWS_RETRY_H

#include <stdbool.h>
#include <stdint.h>

enum {
    RETRY_QUOTA_FULL = 500,
    RETRY_COST_TRANSIENT = 14,
    RETRY_COST_THROTTLED = 5,
    RETRY_BASE_TRANSIENT_MS = 50,
    RETRY_BASE_THROTTLED_MS = 1000,
    RETRY_DELAY_MAX_MS = 20000,
    RETRY_HINT_EXTRA_MS = 5000, /* a hint may exceed the computed delay by this */
    RETRY_ATTEMPTS_DEFAULT = 3,
};

enum retry_class {
    RETRY_NEVER,
    RETRY_TRANSIENT,
    RETRY_THROTTLED,
};

/* One per client. */
struct retry_quota {
    int tokens; /* 0..RETRY_QUOTA_FULL */
};

/* One per call. Zero it at the start. */
struct retry_state {
    int retries;   /* granted so far */
    int last_cost; /* of the last granted retry, 0: none */
};

struct retry_question {
    enum retry_class why;
    int attempt;      /* attempts made so far, 1.. */
    int max_attempts; /* 1.. */
    int64_t hint_ms;  /* of the server, -1: none */
    bool long_poll;   /* waits the delay before it fails for want of quota */
    double random;    /* 0 <= random < 1 */
};

struct retry_answer {
    bool retry;
    int64_t delay_ms; /* real; to wait before the retry, or before failing (long poll with an empty quota), 0:
                         none */
};

/* The delay before retry `i` (0-based): random * min(base * 2^i, 20 s), raised to a hint within 5 s of it. */
int64_t retry_delay_ms(enum retry_class why, int i, int64_t hint_ms, double random);

/* Decides about a failed attempt; takes the cost of a granted retry from the quota. */
struct retry_answer retry_decide(struct retry_quota *quota, struct retry_state *state,
                                 const struct retry_question *question);

/* A call succeeded: its last cost (1 without retries) goes back into the quota. */
void retry_succeeded(struct retry_quota *quota, const struct retry_state *state);

#endif
