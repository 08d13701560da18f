/*
 * A histogram of durations or sizes in the manner of HdrHistogram: buckets that grow with the value, sixteen
 * to every doubling, so that each value is kept to within 1/16 of itself from 0 to 2^40 (34 years in ms) in 5
 * KB. Two histograms are merged by adding their counts, which loses nothing. Pure; no locks.
 *
 * Source of the idea: HdrHistogram (Gil Tene), log-linear buckets. Its C library is in no Debian or Ubuntu
 * release.
 */
#ifndef SLUICE_BASE_HISTOGRAM_H
#define SLUICE_BASE_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_SUB_BITS = 4,    /* 16 buckets to a doubling */
    HISTOGRAM_VALUE_BITS = 40, /* values from 2^40 on count as 2^40 - 1 */
    HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS
};

struct histogram {
    int64_t count;
    int64_t sum; /* of the values as given */
    int64_t max; /* the largest one given; 0 when empty */
    int64_t buckets[HISTOGRAM_BUCKETS];
};

/* A negative value counts as 0. A zeroed struct is an empty histogram. */
void histogram_record(struct histogram *h, int64_t value);

/* Adds the counts of `more` to `sum`; a sum that would be too large stays at INT64_MAX. */
void histogram_merge(struct histogram *sum, const struct histogram *more);

/* The bucket of a value, 0..HISTOGRAM_BUCKETS - 1, and the smallest and largest value of a bucket. */
int histogram_bucket(int64_t value);
int64_t histogram_low(int bucket);
int64_t histogram_high(int bucket);

/* The value below or at which the share `quantile` (0..1) of all values lies: the high end of its bucket,
 * never more than max; 0 when empty. */
int64_t histogram_quantile(const struct histogram *h, double quantile);

/* How many values are <= limit, exact when limit is the high end of a bucket, else to within that bucket
 * (counted in whole when limit is in it). */
int64_t histogram_count_to(const struct histogram *h, int64_t limit);

#endif
