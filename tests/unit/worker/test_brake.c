/* The retry-storm brake: when it closes, how far, how it opens again. */
#include "tests/unit/unit.h"

#include "worker/brake.h"

#include <limits.h>

static struct brake brake;

/* Failures in a row until the limit changes. */
static int feed(bool failure, int ceiling, int most)
{
    for (int n = 1; n <= most; n++)
        if (brake_on_outcome(&brake, failure, ceiling))
            return n;
    return 0;
}

START_TEST(all_fail_and_the_limit_halves_down_to_one)
{
    static const struct {
        int outcomes, limit, closed;
    } ROWS[] = {{50, 50, 50}, {50, 25, 75}, {25, 12, 88}, {12, 6, 94}, {10, 3, 97}, {10, 1, 99}};
    brake_init(&brake, 50);
    ck_assert_int_eq(brake_closed_percent(&brake, 100), 0);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        ck_assert_int_eq(feed(true, 100, 1000), ROWS[i].outcomes);
        ck_assert_int_eq(brake.limit, ROWS[i].limit);
        ck_assert_int_eq(brake_closed_percent(&brake, 100), ROWS[i].closed);
    }
    ck_assert_int_eq(feed(true, 100, 1000), 0); /* one is the least */
    ck_assert_int_eq(brake.limit, 1);
}
END_TEST

START_TEST(success_opens_it_step_by_step_until_nothing_is_held_back)
{
    static const int LIMITS[] = {2, 3, 4, 6, 9, 13, 19, 28, 42, 63, 94, INT_MAX};
    brake_init(&brake, 50);
    while (brake.limit != 1)
        (void)feed(true, 100, 1000);
    (void)feed(true, 100, 995); /* however long it was down */
    int outcomes = 0;
    for (size_t i = 0; i < sizeof LIMITS / sizeof *LIMITS; i++) {
        int n = feed(false, 100, 1000);
        ck_assert_int_gt(n, 0);
        outcomes += n;
        ck_assert_int_eq(brake.limit, LIMITS[i]);
    }
    ck_assert_int_le(outcomes, 500);
    ck_assert_int_eq(brake_closed_percent(&brake, 100), 0);
    ck_assert_int_eq(feed(false, 100, 1000), 0);
}
END_TEST

START_TEST(a_share_at_the_threshold_does_not_brake_and_above_it_does)
{
    brake_init(&brake, 50);
    for (int i = 0; i < 10000; i++)
        ck_assert(!brake_on_outcome(&brake, i % 2 == 1, 100));
    bool braked = false;
    for (int i = 0; i < 1000; i++)
        braked = brake_on_outcome(&brake, i % 5 < 3, 100) || braked;
    ck_assert(braked);
}
END_TEST

START_TEST(fewer_than_ten_outcomes_say_nothing)
{
    brake_init(&brake, 10);
    ck_assert_int_eq(feed(true, 4, 9), 0);
    ck_assert_int_eq(feed(true, 4, 1), 1);
    ck_assert_int_eq(brake.limit, 2);
}
END_TEST

START_TEST(without_a_threshold_or_with_one_slot_nothing_happens)
{
    brake_init(&brake, 0);
    ck_assert_int_eq(feed(true, 100, 1000), 0);
    ck_assert_int_eq(brake.limit, INT_MAX);
    brake_init(&brake, 50);
    ck_assert_int_eq(feed(true, 1, 1000), 0);
    ck_assert_int_eq(brake_closed_percent(&brake, 1), 0);
    ck_assert_int_eq(feed(true, 0, 1000), 0); /* paused */
    ck_assert_int_eq(brake_closed_percent(&brake, 0), 0);
}
END_TEST

START_TEST(a_ceiling_that_falls_below_the_limit_shows_as_open)
{
    brake_init(&brake, 50);
    (void)feed(true, 100, 1000);
    ck_assert_int_eq(brake.limit, 50);
    ck_assert_int_eq(brake_closed_percent(&brake, 40), 0);
    ck_assert_int_eq(brake_closed_percent(&brake, 51), 1);
}
END_TEST

START_TEST(old_outcomes_are_forgotten)
{
    brake_init(&brake, 50);
    (void)feed(false, 100, 10000);
    ck_assert_int_le(feed(true, 100, 1000), 26); /* 26 of the last 50 */
}
END_TEST

UNIT_MAIN("brake", all_fail_and_the_limit_halves_down_to_one,
          success_opens_it_step_by_step_until_nothing_is_held_back,
          a_share_at_the_threshold_does_not_brake_and_above_it_does, fewer_than_ten_outcomes_say_nothing,
          without_a_threshold_or_with_one_slot_nothing_happens,
          a_ceiling_that_falls_below_the_limit_shows_as_open, old_outcomes_are_forgotten)
