/*
 * Capacity and cost arithmetic of `sluice plan`. Pure. Rates are exact fractions: a number of workers is
 * never the ceiling of a division by a rounded rate (60 / 1.666 is 37 workers, 60 x 3 / 5 is 36).
 */
#ifndef SLUICE_POLICIES_PLAN_H
#define SLUICE_POLICIES_PLAN_H

#include "base/err.h"
#include "policies/queueing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PLAN_ROWS_MAX = 16,
    PLAN_DECIMALS_MAX = 6,         /* digits behind the point of a given rate */
    PLAN_RATE_MAX = 1000000,       /* orders per second, of the sale and of a worker */
    PLAN_MICRO = 1000000,          /* one, in millionths */
    PLAN_COUNT_MAX = 10000,        /* slots, threads, workers */
    PLAN_SERVICE_MAX_MS = 43200000 /* 12 h: SQS keeps no message invisible longer */
};

/* A decimal number as it was written: 1.67 is {1670000, 2}. */
struct plan_decimal {
    int64_t millionths;
    int decimals; /* digits behind the point */
};

/* Reads digits with an optional point, at most PLAN_DECIMALS_MAX digits behind it, 0 < value <=
 * PLAN_RATE_MAX; no sign, no exponent. Returns 0, or -1 with *ret untouched. */
int plan_decimal_parse(const char *text, size_t len, struct plan_decimal *ret);

/* Orders per second as a fraction in lowest terms; both > 0. */
struct plan_rate {
    int64_t num;
    int64_t den;
};

struct plan_rate plan_rate_of_decimal(struct plan_decimal decimal);
/* What one worker can complete: min(slots, threads) / service time. slots 0: threads alone count.
 * service_time_ms > 0. */
struct plan_rate plan_rate_of_slots(int64_t slots, int64_t threads, int64_t service_time_ms);
double plan_rate_per_s(struct plan_rate rate);

/* ceil(rate / per_worker), exactly. */
int64_t plan_workers(struct plan_rate rate, struct plan_rate per_worker);
/* -1, 0, 1: workers x per_worker is below, at, above rate. Exact. */
int plan_compare_capacity(int64_t workers, struct plan_rate per_worker, struct plan_rate rate);

/* How a given rate of a worker stands to its limit, slots / service time. */
enum plan_limit {
    PLAN_LIMIT_BELOW,
    PLAN_LIMIT_EXACT,
    PLAN_LIMIT_ROUNDED, /* above it by no more than the rounding of the digits given: 1.67 for 5/3 */
    PLAN_LIMIT_ABOVE, /* no such worker exists: the rate was read off something else than completed orders */
};
enum plan_limit plan_limit_of(struct plan_decimal given, struct plan_rate limit);

struct plan_input {
    struct plan_rate rate;
    int64_t slots; /* 0: none */
    int64_t threads;
    int64_t service_time_ms;
    int64_t min_workers; /* 0 .. max_workers */
    int64_t max_workers; /* >= 1 */
    int64_t sale_ms;     /* > 0 */
    int64_t start_time_ms;
    double arrival_cv2;
    double service_cv2;
    double price_usd_per_worker_month;
    double revenue_usd;
    struct plan_decimal given[PLAN_ROWS_MAX];
    int given_count;
};

/* A steady state with Poisson-like arrivals; see queueing_mean_wait_s(). */
struct plan_wait {
    bool known; /* false: more than QUEUEING_SERVERS_MAX servers */
    int64_t workers;
    int64_t servers;
    double utilization;
    double wait_probability;
    double mean_wait_s;
};

/* One answer: so many workers, if one completes so much. */
struct plan_row {
    bool given;                  /* false: derived from slots and service time */
    struct plan_decimal decimal; /* as given */
    struct plan_rate per_worker; /* as given or derived */
    enum plan_limit limit;
    int64_t workers;
    double capacity_per_s; /* workers x per_worker */
    bool exceeds_max;
    double cost_usd_per_month;
    double return_on_cost; /* revenue / cost; 0 when either is 0 */

    struct plan_rate true_per_worker; /* per_worker, but no more than slots and service time allow */
    int64_t fleet;                    /* workers within min and max */
    double true_capacity_per_s;       /* fleet x true_per_worker */
    struct queueing_backlog sale;
    bool stable;           /* the fleet is faster than the rate, so that a steady state exists */
    struct plan_wait wait; /* of the fleet; of the smallest stable one if it is not stable */
};

struct plan {
    struct plan_rate limit;              /* slots / service time of one worker */
    struct plan_row rows[PLAN_ROWS_MAX]; /* the given rates in their order */
    int row_count;
    struct plan_row derived; /* from slots, threads and service time */
    double orders;           /* of the sale */
};

/* Works everything out. The input's ranges are the caller's to check. */
struct plan plan_work_out(const struct plan_input *input);

#endif
