/* Seeded random fleets: configurations and observation sequences that are quiet, busy, unknown, stale, noisy,
 * or told by a clock that jumps. Everything follows from the seed, so a failure can be repeated with
 * SLUICE_TEST_SEED. */
#ifndef SLUICE_TESTS_UNIT_POLICIES_GENERATOR_H
#define SLUICE_TESTS_UNIT_POLICIES_GENERATOR_H

#include "tests/unit/policies/fleet.h"

#include "policies/threshold.h"

#include <inttypes.h>
#include <stdio.h>

struct generator {
    uint64_t seed; /* of this run, for the failure message */
    uint64_t state;
    int phase;           /* what the queue is like now */
    int64_t phase_left;  /* samples until it changes */
    int64_t silent_left; /* samples for which the queue does not answer */
    int64_t coarse_left; /* samples that somebody else than SQS tells */
    bool calm;           /* this run has no gaps and no jumps: long waits can end */
    bool ordered;        /* in this run an operator gives orders */
};

/* splitmix64: good enough bits from any seed, the same on every machine. */
static inline uint64_t generator_next(struct generator *g)
{
    uint64_t z = (g->state += 0x9E3779B97F4A7C15U);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
}

/* A whole number from low to high. */
static inline int64_t generator_range(struct generator *g, int64_t low, int64_t high)
{
    return low + (int64_t)(generator_next(g) % (uint64_t)(high - low + 1));
}

static inline bool generator_percent(struct generator *g, int64_t percent)
{
    return generator_range(g, 1, 100) <= percent;
}

static inline struct generator generator_new(uint64_t seed)
{
    struct generator g = {.seed = seed, .state = seed};
    g.calm = generator_percent(&g, 50);
    g.ordered = generator_percent(&g, 33);
    return g;
}

/* The first seed: SLUICE_TEST_SEED repeats the run that failed. */
static inline uint64_t generator_first_seed(void)
{
    const char *text = getenv("SLUICE_TEST_SEED");
    return text != NULL ? strtoull(text, NULL, 10) : 20261123;
}

static inline struct controller_config generator_config(struct generator *g)
{
    static const char *const SHARES[] = {"0.8", "0.8", "0", "1", "0.35"};
    static const char *const FALLBACKS[] = {"\"hold\"", "\"target\"", "\"max\"", "\"min\""};
    struct controller_config config = {.params = NULL};
    struct err err = {""};
    char capacity[128];
    char policy[640];
    int64_t max = generator_range(g, 1, 40);
    int64_t min = generator_range(g, 1, max);
    int64_t above = generator_range(g, 1, 60);
    int64_t second = above + generator_range(g, 1, 200);
    (void)snprintf(capacity, sizeof capacity,
                   "{\"min\":%" PRId64 ",\"target\":%" PRId64 ",\"max\":%" PRId64 "}", min,
                   generator_range(g, min, max), max);
    int used = snprintf(
        policy, sizeof policy,
        "{\"scale_out_above\":%" PRId64 ",\"scale_in_below\":%" PRId64 ",\"scale_in_after\":\"%" PRId64
        "s\",\"scale_out_cooldown\":\"%" PRId64 "s\",\"scale_in_cooldown\":\"%" PRId64
        "s\",\"scale_in_busy_share\":%s,\"fallback\":%s,\"fallback_after\":\"%" PRId64 "s\"",
        above, generator_range(g, 0, above), generator_percent(g, 20) ? 0 : generator_range(g, 0, 120),
        generator_range(g, 0, 90), generator_range(g, 0, 90), SHARES[generator_range(g, 0, 4)],
        FALLBACKS[generator_range(g, 0, 3)], generator_range(g, 0, 120));
    if (generator_percent(g, 50))
        (void)snprintf(policy + used, sizeof policy - (size_t)used,
                       ",\"steps\":[{\"above\":%" PRId64 ",\"add\":%" PRId64 "},{\"above\":%" PRId64
                       ",\"to\":\"target\"},{\"above\":%" PRId64 ",\"to\":\"max\"}]}",
                       above + generator_range(g, 0, 1) * generator_range(g, 0, 20), generator_range(g, 1, 5),
                       second + 20, second + 300);
    else
        (void)snprintf(policy + used, sizeof policy - (size_t)used, "}");
    int rc = fleet_parse_config(capacity, policy, &config, &err);
    ck_assert_msg(rc == 0, "seed %" PRIu64 ": %s: %s", g->seed, err.text, policy);
    return config;
}

/* Depth of the present phase: empty, low with noise, around the dead band, high, flooded. */
static inline int64_t generator_visible(struct generator *g)
{
    static const int64_t HIGHEST[] = {0, 4, 60, 300, 3000};
    if (g->phase_left-- <= 0) {
        g->phase = (int)generator_range(g, 0, 4);
        g->phase_left = generator_range(g, 1, g->phase <= 1 ? 80 : 15);
    }
    return generator_range(g, 0, HIGHEST[g->phase]);
}

/* Moves the clock: one poll with jitter, and in restless runs jumps of every kind. */
static inline int64_t generator_advance(struct generator *g, int64_t now_ms)
{
    if (g->calm || generator_percent(g, 90))
        return now_ms + FLEET_POLL_MS + generator_range(g, -20, 20);
    switch (generator_range(g, 0, 4)) {
    case 0:
        return now_ms;
    case 1:
        return now_ms + generator_range(g, 0, 20000);
    case 2:
        return now_ms + generator_range(g, 0, 7200000);
    case 3:
        return now_ms - generator_range(g, 0, 10000);
    default:
        return now_ms - generator_range(g, 0, 7200000);
    }
}

/* A count of workers' things: known or not, new or old, sensible or absurd. */
static inline void generator_reading(struct generator *g, struct reading *reading, int64_t highest,
                                     int64_t now_ms)
{
    if (generator_percent(g, 10)) {
        *reading = (struct reading){.known = false};
        return;
    }
    reading_set(
        reading, generator_range(g, 0, highest),
        now_ms - (generator_percent(g, 10) ? generator_range(g, -1000, 40000) : generator_range(g, 0, 1000)));
}

/* Mostly nothing; now and then any of the holds. */
static inline void generator_hold(struct generator *g, struct reading *reading, int64_t now_ms)
{
    if (generator_percent(g, 50))
        reading->known = false;
    else
        reading_set(reading, generator_percent(g, 80) ? 0 : generator_range(g, 0, FLEET_HOLD_REFUSED),
                    now_ms);
}

/* Who told the depth: SQS, said or not; in restless runs now and then somebody else, known or of a later
 * version. */
static inline void generator_source(struct generator *g, struct observation *obs, int64_t now_ms)
{
    static const int64_t OTHERS[] = {DEPTH_SOURCE_CLOUDWATCH, DEPTH_SOURCE_CLOUDWATCH, DEPTH_SOURCE_WORKERS,
                                     DEPTH_SOURCE_NONE, 99};
    if (!g->calm && g->coarse_left == 0 && generator_percent(g, 2))
        g->coarse_left = generator_range(g, 1, 30);
    obs->depth_source.known = obs->depth_max_age_ms.known = obs->queue_hint.known = false;
    if (g->coarse_left > 0) {
        g->coarse_left--;
        reading_set(&obs->depth_source, OTHERS[generator_range(g, 0, 4)], now_ms);
    } else if (generator_percent(g, 50)) {
        reading_set(&obs->depth_source, DEPTH_SOURCE_SQS, now_ms);
    }
    if (generator_percent(g, 50))
        reading_set(&obs->depth_max_age_ms, generator_range(g, 0, 120000), now_ms);
    if (g->silent_left > 0 && generator_percent(g, 40)) /* the one case in which it decides */
        reading_set(&obs->queue_hint, QUEUE_HINT_EMPTY, now_ms);
    else if (!g->calm && generator_percent(g, 40))
        reading_set(&obs->queue_hint, generator_range(g, QUEUE_HINT_NONE, QUEUE_HINT_EMPTY),
                    now_ms - generator_range(g, -100, 30000));
}

static inline bool generator_told_by_sqs(const struct observation *obs)
{
    return !obs->depth_source.known || obs->depth_source.value == DEPTH_SOURCE_SQS;
}

/* How old the depth may be, by nothing but the observation's own words. */
static inline int64_t generator_depth_age_ms(const struct observation *obs, int64_t stale_after_ms)
{
    return generator_told_by_sqs(obs) || !obs->depth_max_age_ms.known ? stale_after_ms
                                                                      : obs->depth_max_age_ms.value;
}

/* Now and then an operator's order, some of them for a number that the limits forbid. */
static inline bool generator_order(struct generator *g, const struct capacity *capacity,
                                   struct override_order *ret)
{
    if (!g->ordered || !generator_percent(g, 2))
        return false;
    *ret =
        (struct override_order){.kind = (enum override_kind)generator_range(g, 0, 2), .uid = -1, .pid = -1};
    (void)snprintf(ret->reason, sizeof ret->reason, "order %" PRId64, generator_range(g, 0, 9));
    if (ret->kind != OVERRIDE_NONE)
        ret->for_ms = generator_range(g, OVERRIDE_FOR_MIN_MS, generator_percent(g, 80) ? 120000 : 7200000);
    if (ret->kind == OVERRIDE_SCALE)
        ret->desired = generator_range(g, capacity->min - 1, capacity->max + 1);
    return true;
}

static inline void generator_observe(struct generator *g, struct observation *obs, int64_t now_ms)
{
    bool quiet = g->phase <= 1 && generator_percent(g, 80);
    if (!g->calm && g->silent_left == 0 && generator_percent(g, 2))
        g->silent_left = generator_range(g, 1, 40);
    if (g->silent_left > 0)
        g->silent_left--;
    if (g->silent_left > 0 || (!g->calm && generator_percent(g, 8))) {
        obs->visible.known = false;
        obs->visible.value = generator_range(g, 0, 1000); /* means nothing, must change nothing */
        obs->visible.at_ms = now_ms;
    } else if (g->calm || generator_percent(g, 85)) {
        reading_set(&obs->visible, generator_visible(g), now_ms - generator_range(g, 0, 50));
    } else if (generator_percent(g, 30)) {
        reading_set(&obs->visible, generator_visible(g), now_ms - generator_range(g, -100, 30000));
    } /* else: the old sample again */
    generator_reading(g, &obs->in_flight, quiet ? 3 : 200, now_ms);
    generator_reading(g, &obs->busy, quiet ? 3 : 200, now_ms);
    generator_reading(g, &obs->worker_capacity, 8, now_ms);
    generator_reading(g, &obs->ready, 40, now_ms);
    generator_reading(g, &obs->starting, 40, now_ms);
    generator_reading(g, &obs->stopping, 40, now_ms);
    generator_reading(g, &obs->completed_total, 1000000, now_ms);
    generator_reading(g, &obs->received, 1000000, now_ms);
    generator_reading(g, &obs->receives_empty, 1000000, now_ms);
    generator_hold(g, &obs->scale_out_hold, now_ms);
    generator_hold(g, &obs->scale_in_hold, now_ms);
    generator_source(g, obs, now_ms);
}

#endif
