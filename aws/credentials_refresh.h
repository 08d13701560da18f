/*
 * When a set of credentials is fetched anew: pure, time (wall clock, epoch ms) and random numbers are
 * arguments.
 *
 * - Ahead of its end, with jitter: 15 minutes, or half of what it had left when it came if that is less,
 * minus up to a quarter. From then on a fetch runs while the set goes on being used; in the last third of
 * that span whoever asks waits for the fetch.
 * - A failed fetch keeps the set until it ends, or, when the source is stable (the container's and the
 *   instance's: their endpoints are known to be away now and then), until a service refuses it. Fetches come
 *   again after 30 s, doubling to 5 minutes, half of it random, and sooner when little is left.
 * - A set that had ended by our clock when it came is used: the clock is wrong more often than the source.
 * - With nothing in hand failures are remembered for 1 s, doubling to 10 s: a role may be attached any
 * moment.
 * - A refused set is not used again before one more fetch; should that bring the same set, it is used (so
 * that the refusal is told) and no further fetch is forced for 30 s.
 *
 * Sources: botocore's RefreshableCredentials (advisory and mandatory windows) and InstanceMetadataFetcher
 * (static stability); the spans are ours.
 */
#ifndef SLUICE_AWS_CREDENTIALS_REFRESH_H
#define SLUICE_AWS_CREDENTIALS_REFRESH_H

#include <stdbool.h>
#include <stdint.h>

enum {
    CREDENTIALS_AHEAD_MS = 15 * 60 * 1000,
    CREDENTIALS_RETRY_MS = 30 * 1000,
    CREDENTIALS_RETRY_MAX_MS = 5 * 60 * 1000,
    CREDENTIALS_NONE_RETRY_MS = 1000,
    CREDENTIALS_NONE_RETRY_MAX_MS = 10 * 1000,
};

struct credentials_refresh {
    bool have;            /* a set is in hand */
    bool stable;          /* it outlives its end */
    bool refused;         /* by a service */
    bool forced;          /* the last fetch was for a refused set and brought the same */
    int failures;         /* in a row */
    int64_t expires_ms;   /* 0: never */
    int64_t advisory_ms;  /* from then on fetch ahead */
    int64_t mandatory_ms; /* from then on wait for it */
    int64_t retry_ms;     /* no fetch before; 0: any time */
};

enum credentials_verdict {
    CREDENTIALS_USE,           /* the set in hand */
    CREDENTIALS_USE_AND_FETCH, /* the set in hand; a fetch is due */
    CREDENTIALS_WAIT,          /* for a fetch; if it fails, ask credentials_usable() */
    CREDENTIALS_FAIL,          /* nothing usable, too early to fetch again: the last failure stands */
};

enum credentials_verdict credentials_refresh_ask(const struct credentials_refresh *refresh, int64_t now_ms);

/* Whether the set in hand may sign although the fetch failed. */
bool credentials_refresh_usable(const struct credentials_refresh *refresh, int64_t now_ms);

/* A fetch brought a set; `same` as the one in hand. 0 <= random < 1, also below. */
void credentials_refresh_fetched(struct credentials_refresh *refresh, int64_t now_ms, int64_t expires_ms,
                                 bool stable, bool same, double random);
void credentials_refresh_failed(struct credentials_refresh *refresh, int64_t now_ms, double random);
/* A service refused the set in hand. */
void credentials_refresh_refused(struct credentials_refresh *refresh, int64_t now_ms);

#endif
