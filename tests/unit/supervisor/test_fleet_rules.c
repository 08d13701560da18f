/* Pure rules of a local fleet: choice of victims, waits between restarts. */
#include "tests/unit/unit.h"

#include "supervisor/restart_backoff.h"
#include "supervisor/victims.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Order of the candidates' indexes after sorting, as text. */
static const char *order_of(struct victim_candidate *candidates, size_t count)
{
    static char text[128];
    size_t used = 0;
    victims_sort(candidates, count);
    for (size_t i = 0; i < count; i++)
        used +=
            (size_t)snprintf(text + used, sizeof text - used, "%s%zu", i > 0 ? " " : "", candidates[i].index);
    return text;
}

START_TEST(slots_without_capacity_go_first_then_starting_then_the_least_busy)
{
    struct victim_candidate candidates[] = {
        {0, SLOT_READY, 3, 100},     {1, SLOT_READY, 1, 200},  {2, SLOT_STARTING, -1, 300},
        {3, SLOT_REPLACING, 9, 400}, {4, SLOT_BACKOFF, 0, 50},
    };
    ck_assert_str_eq(order_of(candidates, 5), "4 3 2 1 0");
}
END_TEST

START_TEST(among_equally_busy_ones_the_newest_goes)
{
    struct victim_candidate candidates[] = {
        {0, SLOT_READY, 2, 100}, {1, SLOT_READY, 2, 300}, {2, SLOT_READY, 2, 200}, {3, SLOT_READY, 0, 1}};
    ck_assert_str_eq(order_of(candidates, 4), "3 1 2 0");
}
END_TEST

START_TEST(a_worker_of_unknown_load_goes_after_all_known_ones)
{
    struct victim_candidate candidates[] = {
        {0, SLOT_READY, -1, 900}, {1, SLOT_READY, 500, 100}, {2, SLOT_READY, 0, 100}};
    ck_assert_str_eq(order_of(candidates, 3), "2 1 0");
}
END_TEST

START_TEST(slots_started_in_the_same_instant_keep_a_fixed_order)
{
    struct victim_candidate candidates[] = {
        {0, SLOT_STARTING, -1, 5}, {1, SLOT_STARTING, -1, 5}, {2, SLOT_STARTING, -1, 5}};
    ck_assert_str_eq(order_of(candidates, 3), "2 1 0");
    victims_sort(NULL, 0);
}
END_TEST

static struct restart_backoff backoff(uint64_t seed)
{
    return (struct restart_backoff){.least_ms = 1000, .longest_ms = 60000, .random = seed};
}

START_TEST(waits_double_with_jitter_up_to_the_longest)
{
    static const int64_t CEILINGS[] = {2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000};
    bool differs = false;
    int64_t first_of_seed_0 = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct restart_backoff b = backoff(seed * 7919);
        for (size_t i = 0; i < sizeof CEILINGS / sizeof CEILINGS[0]; i++) {
            int64_t wait_ms = restart_backoff_next_ms(&b, RESTART_CRASHED, false);
            ck_assert_int_ge(wait_ms, CEILINGS[i] / 2);
            ck_assert_int_le(wait_ms, CEILINGS[i]);
            if (i == 0 && seed == 0)
                first_of_seed_0 = wait_ms;
            differs = differs || (i == 0 && wait_ms != first_of_seed_0);
        }
        ck_assert_int_eq(b.failures, 8);
    }
    ck_assert(differs);
}
END_TEST

START_TEST(a_misconfigured_worker_waits_longest_at_once_but_never_for_ever)
{
    struct restart_backoff b = backoff(1);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(restart_backoff_next_ms(&b, RESTART_MISCONFIGURED, false), 60000);
}
END_TEST

START_TEST(a_healthy_period_lets_the_count_begin_anew)
{
    struct restart_backoff b = backoff(1);
    for (int i = 0; i < 6; i++)
        (void)restart_backoff_next_ms(&b, RESTART_CRASHED, false);
    ck_assert(restart_backoff_is_crash_loop(&b));
    restart_backoff_forgive(&b);
    ck_assert(!restart_backoff_is_crash_loop(&b));
    ck_assert_int_le(restart_backoff_next_ms(&b, RESTART_CRASHED, false), 2000);
    /* The same when the process was healthy and nobody had forgiven yet. */
    for (int i = 0; i < 6; i++)
        (void)restart_backoff_next_ms(&b, RESTART_CRASHED, false);
    ck_assert_int_le(restart_backoff_next_ms(&b, RESTART_CRASHED, true), 2000);
    ck_assert_int_eq(b.failures, 1);
}
END_TEST

START_TEST(leaving_with_exit_0_waits_only_when_it_was_quick)
{
    struct restart_backoff b = backoff(1);
    ck_assert_int_eq(restart_backoff_next_ms(&b, RESTART_LEFT, true), 0);
    ck_assert_int_eq(b.failures, 0);
    ck_assert_int_ge(restart_backoff_next_ms(&b, RESTART_LEFT, false), 1000);
    ck_assert_int_eq(b.failures, 1);
}
END_TEST

START_TEST(the_third_failure_in_a_row_is_a_crash_loop)
{
    struct restart_backoff b = backoff(1);
    for (int failures = 1; failures <= 4; failures++) {
        (void)restart_backoff_next_ms(&b, RESTART_CRASHED, false);
        ck_assert_int_eq(restart_backoff_is_crash_loop(&b), failures >= 3);
    }
}
END_TEST

START_TEST(wait_statuses_are_told_apart)
{
    /* Linux's wait status: exit code in bits 8..15, signal in bits 0..6. */
    ck_assert_int_eq(restart_cause_of_status(0), RESTART_LEFT);
    ck_assert_int_eq(restart_cause_of_status(9), RESTART_CRASHED);
    const int misconfigured[] = {64, 65, 77, 78};
    const int crashed[] = {1, 2, 66, 69, 70, 74, 75, 127, 255};
    for (size_t i = 0; i < sizeof misconfigured / sizeof misconfigured[0]; i++)
        ck_assert_int_eq(restart_cause_of_status(misconfigured[i] << 8), RESTART_MISCONFIGURED);
    for (size_t i = 0; i < sizeof crashed / sizeof crashed[0]; i++)
        ck_assert_int_eq(restart_cause_of_status(crashed[i] << 8), RESTART_CRASHED);
}
END_TEST

UNIT_MAIN("fleet_rules", slots_without_capacity_go_first_then_starting_then_the_least_busy,
          among_equally_busy_ones_the_newest_goes, a_worker_of_unknown_load_goes_after_all_known_ones,
          slots_started_in_the_same_instant_keep_a_fixed_order, waits_double_with_jitter_up_to_the_longest,
          a_misconfigured_worker_waits_longest_at_once_but_never_for_ever,
          a_healthy_period_lets_the_count_begin_anew, leaving_with_exit_0_waits_only_when_it_was_quick,
          the_third_failure_in_a_row_is_a_crash_loop, wait_statuses_are_told_apart)
