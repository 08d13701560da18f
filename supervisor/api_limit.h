/*
 * How fast one group of API calls may go: a token bucket whose rate halves when AWS throttles and rises again
 * slowly. Pure: real time is an argument (ms of a monotonic clock), since AWS refills its buckets in real
 * time.
 *
 * AWS's own buckets belong to an account and a region and are shared by all who call, so ours stay below
 * them: "Throttle limits for the Amazon ECS API" (ECS API reference).
 */
#ifndef SLUICE_SUPERVISOR_API_LIMIT_H
#define SLUICE_SUPERVISOR_API_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct api_limit {
    double burst;      /* tokens at most */
    double full_per_s; /* rate when nothing is throttled */
    double per_s;      /* rate now; at least API_LIMIT_LEAST_PER_S */
    double tokens;
    int64_t at_ms;
    uint64_t taken, throttled;
};

#define API_LIMIT_LEAST_PER_S 0.2

void api_limit_init(struct api_limit *limit, double burst, double per_s, int64_t now_ms);

/* Takes a token. When there is none: false, and *ret_wait_ms is how long until there may be one (>= 1). */
bool api_limit_take(struct api_limit *limit, int64_t now_ms, int64_t *ret_wait_ms);

/* How long until there may be a token; 0: there is one. */
int64_t api_limit_wait_ms(struct api_limit *limit, int64_t now_ms);

/* Takes a token even if there is none, for a call that belongs to one that had to wait: who comes next waits
 * the longer. */
void api_limit_owe(struct api_limit *limit, int64_t now_ms);

/* What came of a call: throttled halves the rate and empties the bucket, anything else raises it by a
 * twentieth of the full one. */
void api_limit_tell(struct api_limit *limit, bool throttled, int64_t now_ms);

#endif
