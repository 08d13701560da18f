/*
 * When a message that failed is shown again: a list of delays by receive count, the last one for all that
 * follow, each varied by a fifth up or down, so that what failed together does not come back together. Pure.
 */
#ifndef SLUICE_WORKER_RETRY_H
#define SLUICE_WORKER_RETRY_H

#include "base/err.h"

#include <stdint.h>

enum { RETRY_DELAYS_MAX = 32, RETRY_DELAY_MAX_S = 43200 };

struct retry_delays {
    int count; /* 1..RETRY_DELAYS_MAX */
    int seconds[RETRY_DELAYS_MAX];
};

/* "1s,2s,5s": durations of whole seconds, 0 to 12h, 1 to 32 of them. Returns 0, or -1 with err naming the
 * entry and what is allowed. */
int retry_delays_parse(const char *text, struct retry_delays *ret_delays, struct err *err);

/* Seconds after a failure at that receive count (0, unknown, counts as 1), 0..43,200. `random` is any 64
 * random bits. Whole seconds, rounded: delays below 3 s do not vary, and 1 s never becomes 0. */
int retry_delay_s(const struct retry_delays *delays, int64_t receive_count, uint64_t random);

#endif
