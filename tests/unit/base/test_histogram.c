/* The histogram: bucket borders, precision, quantiles against sorted values, merging. */
#include "tests/unit/unit.h"

#include "base/histogram.h"

#include <stdlib.h>

START_TEST(test_buckets_join_without_gap_or_overlap)
{
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++) {
        ck_assert_int_eq(histogram_bucket(histogram_low(i)), i);
        ck_assert_int_eq(histogram_bucket(histogram_high(i)), i);
        if (i + 1 < HISTOGRAM_BUCKETS)
            ck_assert_int_eq(histogram_high(i) + 1, histogram_low(i + 1));
        ck_assert_msg((histogram_high(i) - histogram_low(i)) * 16 <= histogram_low(i),
                      "bucket %d is too wide", i);
    }
    ck_assert_int_eq(histogram_bucket(-5), 0);
    ck_assert_int_eq(histogram_bucket(INT64_MAX), HISTOGRAM_BUCKETS - 1);
}
END_TEST

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

START_TEST(test_quantiles_lie_within_a_sixteenth)
{
    enum { COUNT = 5000 };
    static int64_t values[COUNT];
    struct histogram h = {0};
    uint64_t random = 88172645463325252ULL;
    for (int i = 0; i < COUNT; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        values[i] = (int64_t)(random >> (24 + random % 30));
        histogram_record(&h, values[i]);
    }
    qsort(values, COUNT, sizeof *values, by_value);
    for (int percent = 1; percent <= 100; percent++) {
        int64_t exact = values[COUNT * percent / 100 - 1];
        int64_t got = histogram_quantile(&h, percent / 100.0);
        int64_t capped = exact < (INT64_C(1) << HISTOGRAM_VALUE_BITS) ? exact : got;
        ck_assert_msg(got >= capped && got - capped <= capped / 16 + 1, "p%d: %lld, want %lld", percent,
                      (long long)got, (long long)exact);
    }
    ck_assert_int_eq(histogram_count_to(&h, INT64_MAX), COUNT);
    ck_assert_int_eq(histogram_count_to(&h, -1), 0);
}
END_TEST

START_TEST(test_merging_is_the_same_as_recording_together)
{
    struct histogram one = {0};
    struct histogram two = {0};
    struct histogram both = {0};
    for (int64_t v = 0; v < 3000; v += 7) {
        histogram_record(v % 2 == 0 ? &one : &two, v * v);
        histogram_record(&both, v * v);
    }
    histogram_merge(&one, &two);
    ck_assert_mem_eq(&one, &both, sizeof one);
}
END_TEST

START_TEST(test_empty_says_zero)
{
    struct histogram h = {0};
    ck_assert_int_eq(histogram_quantile(&h, 0.5), 0);
    histogram_record(&h, -3);
    ck_assert_int_eq(histogram_quantile(&h, 0.99), 0);
    ck_assert_int_eq(h.count, 1);
}
END_TEST

UNIT_MAIN("histogram", test_buckets_join_without_gap_or_overlap, test_quantiles_lie_within_a_sixteenth,
          test_merging_is_the_same_as_recording_together, test_empty_says_zero)
