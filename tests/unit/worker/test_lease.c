/* Leases: when to extend, for how long, and when one is lost. Invented time. */
#include "tests/unit/unit.h"

#include "worker/lease.h"

static const int64_t T0 = 1000000;

START_TEST(a_lease_is_due_at_half_its_time_and_rides_along_from_a_quarter)
{
    struct lease_rules rules = lease_rules_of(30, 1);
    struct lease lease;
    lease_start(&lease, &rules, T0);
    ck_assert_int_eq(lease.until_ms, T0 + 30000);
    ck_assert(!lease_due(&lease, &rules, T0 + 14999, false));
    ck_assert(lease_due(&lease, &rules, T0 + 15000, false));
    ck_assert(!lease_due(&lease, &rules, T0 + 7499, true));
    ck_assert(lease_due(&lease, &rules, T0 + 7500, true));
    ck_assert_int_eq(lease_next_ms(&lease), T0 + 15000);
    ck_assert(!lease_over(&lease, T0 + 29999));
    ck_assert(lease_over(&lease, T0 + 30000));
}
END_TEST

START_TEST(an_extension_counts_from_when_it_was_sent)
{
    struct lease_rules rules = lease_rules_of(30, 1);
    struct lease lease;
    lease_start(&lease, &rules, T0);
    lease_sent(&lease, &rules, T0 + 15000);
    ck_assert(!lease_due(&lease, &rules, T0 + 15001, true));
    lease_extended(&lease, T0 + 15000, 30);
    ck_assert_int_eq(lease.until_ms, T0 + 45000);
    ck_assert_int_eq(lease.extend_ms, T0 + 30000);
    ck_assert_int_eq(lease.failures, 0);
}
END_TEST

START_TEST(an_answer_that_is_older_than_what_we_have_shortens_nothing)
{
    struct lease_rules rules = lease_rules_of(30, 1);
    struct lease lease;
    lease_start(&lease, &rules, T0);
    lease_extended(&lease, T0 + 20000, 30);
    lease_extended(&lease, T0 + 15000, 30);
    ck_assert_int_eq(lease.until_ms, T0 + 50000);
}
END_TEST

START_TEST(failed_extensions_are_tried_again_with_growing_pauses_within_the_time)
{
    struct lease_rules rules = lease_rules_of(30, 1);
    struct lease lease;
    int64_t now_ms = T0 + 15000;
    int64_t pause_ms = 0;
    int tries = 0;
    lease_start(&lease, &rules, T0);
    for (; !lease_over(&lease, now_ms); tries++) {
        ck_assert(lease_due(&lease, &rules, now_ms, false));
        lease_sent(&lease, &rules, now_ms);
        lease_retry(&lease, &rules, now_ms);
        ck_assert_int_ge(lease.extend_ms - now_ms, pause_ms);
        pause_ms = lease.extend_ms - now_ms;
        now_ms = lease.extend_ms;
    }
    ck_assert_int_ge(tries, 5);
}
END_TEST

START_TEST(seconds_shrink_towards_the_twelve_hour_limit)
{
    struct lease_rules rules = lease_rules_of(30, 1);
    struct lease lease;
    static const struct {
        int64_t age_s;
        int want;
    } ROWS[] = {{0, 30}, {43164, 30}, {43165, 30}, {43166, 29}, {43194, 1}, {43195, 0}, {50000, 0}};
    lease_start(&lease, &rules, T0);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        ck_assert_int_eq(lease_seconds(&lease, &rules, T0 + ROWS[i].age_s * 1000), ROWS[i].want);
    rules = lease_rules_of(43200, 1);
    ck_assert_int_eq(lease_seconds(&lease, &rules, T0), 43195);
}
END_TEST

START_TEST(after_the_last_extension_none_is_due)
{
    struct lease_rules rules = lease_rules_of(43200, 1);
    struct lease lease;
    lease_start(&lease, &rules, T0);
    ck_assert_int_eq(lease.extend_ms, INT64_MAX);
    ck_assert(!lease_due(&lease, &rules, T0 + 43000000, false));
    ck_assert_int_eq(lease_next_ms(&lease), T0 + 43200000);
}
END_TEST

START_TEST(a_lost_lease_is_not_due_and_a_late_grant_mends_it)
{
    struct lease_rules rules = lease_rules_of(10, 1);
    struct lease lease;
    lease_start(&lease, &rules, T0);
    lease.lost = true;
    ck_assert(!lease_due(&lease, &rules, T0 + 9000, true));
    ck_assert_int_eq(lease_next_ms(&lease), INT64_MAX);
    lease_extended(&lease, T0 + 5000, 10);
    ck_assert(!lease.lost);
}
END_TEST

START_TEST(real_spans_grow_with_the_clock_but_stay_inside_the_lease)
{
    ck_assert_int_eq(lease_rules_of(3600, 1).patience_ms, 5000);
    ck_assert_int_eq(lease_rules_of(3600, 20).patience_ms, 100000);
    ck_assert_int_eq(lease_rules_of(30, 20).patience_ms, 5000);
    ck_assert_int_eq(lease_rules_of(30, 20).backoff_ms, 1875);
    ck_assert_int_eq(lease_rules_of(30, 1).backoff_ms, 100);
}
END_TEST

UNIT_MAIN("lease", a_lease_is_due_at_half_its_time_and_rides_along_from_a_quarter,
          an_extension_counts_from_when_it_was_sent,
          an_answer_that_is_older_than_what_we_have_shortens_nothing,
          failed_extensions_are_tried_again_with_growing_pauses_within_the_time,
          seconds_shrink_towards_the_twelve_hour_limit, after_the_last_extension_none_is_due,
          a_lost_lease_is_not_due_and_a_late_grant_mends_it,
          real_spans_grow_with_the_clock_but_stay_inside_the_lease)
