/* When credentials are fetched anew, on invented time. */
#include "aws/credentials_refresh.h"

#include "tests/unit/unit.h"

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE };

static const int64_t NOW = 1700000000000;

/* In hand since NOW, for so long; without jitter. */
static struct credentials_refresh in_hand(int64_t left_ms, bool stable)
{
    struct credentials_refresh r = {.have = false};
    credentials_refresh_fetched(&r, NOW, NOW + left_ms, stable, false, 0.0);
    return r;
}

static void expect(const struct credentials_refresh *r, int64_t after_ms, enum credentials_verdict verdict)
{
    ck_assert_msg(credentials_refresh_ask(r, NOW + after_ms) == verdict, "after %lld ms: %d, not %d",
                  (long long)after_ms, (int)credentials_refresh_ask(r, NOW + after_ms), (int)verdict);
}

START_TEST(nothing_in_hand_waits_for_a_fetch)
{
    struct credentials_refresh r = {.have = false};
    expect(&r, 0, CREDENTIALS_WAIT);
    ck_assert(!credentials_refresh_usable(&r, NOW));
}
END_TEST

START_TEST(a_set_without_an_end_is_never_fetched_again)
{
    struct credentials_refresh r = {.have = false};
    credentials_refresh_fetched(&r, NOW, 0, false, false, 0.5);
    expect(&r, 1000LL * 24 * HOUR, CREDENTIALS_USE);
}
END_TEST

START_TEST(an_hour_is_renewed_a_quarter_ahead_and_waited_for_in_the_last_five_minutes)
{
    struct credentials_refresh r = in_hand(HOUR, false);
    expect(&r, 45 * MINUTE - 1, CREDENTIALS_USE);
    expect(&r, 45 * MINUTE, CREDENTIALS_USE_AND_FETCH);
    expect(&r, 55 * MINUTE - 1, CREDENTIALS_USE_AND_FETCH);
    expect(&r, 55 * MINUTE, CREDENTIALS_WAIT);
    expect(&r, HOUR, CREDENTIALS_WAIT);
}
END_TEST

START_TEST(jitter_spreads_a_fleet_that_started_together)
{
    struct credentials_refresh r = {.have = false};
    credentials_refresh_fetched(&r, NOW, NOW + HOUR, false, false, 0.999);
    ck_assert_int_gt(r.advisory_ms, NOW + 48 * MINUTE);
    ck_assert_int_lt(r.advisory_ms, NOW + 49 * MINUTE);
    ck_assert_int_gt(r.mandatory_ms, r.advisory_ms);
}
END_TEST

START_TEST(a_short_life_is_renewed_at_its_half)
{
    struct credentials_refresh r = in_hand(20 * MINUTE, false);
    expect(&r, 10 * MINUTE - 1, CREDENTIALS_USE);
    expect(&r, 10 * MINUTE, CREDENTIALS_USE_AND_FETCH);
    r = in_hand(500, false);
    expect(&r, 0, CREDENTIALS_USE); /* never at once */
}
END_TEST

START_TEST(a_failed_renewal_keeps_the_set_and_pauses)
{
    struct credentials_refresh r = in_hand(HOUR, false);
    credentials_refresh_failed(&r, NOW + 45 * MINUTE, 0.0);
    expect(&r, 45 * MINUTE + 15000 - 1, CREDENTIALS_USE);
    expect(&r, 45 * MINUTE + 15000, CREDENTIALS_USE_AND_FETCH);
    /* In the last minutes nobody waits behind a pause either. */
    credentials_refresh_failed(&r, NOW + 56 * MINUTE, 0.0);
    expect(&r, 56 * MINUTE + 1, CREDENTIALS_USE);
    ck_assert(credentials_refresh_usable(&r, NOW + HOUR - 1));
    ck_assert(!credentials_refresh_usable(&r, NOW + HOUR));
    expect(&r, HOUR, CREDENTIALS_WAIT);
}
END_TEST

START_TEST(pauses_double_up_to_five_minutes_and_never_use_up_what_is_left)
{
    struct credentials_refresh r = in_hand(24LL * HOUR, false);
    int64_t now_ms = NOW + 24LL * HOUR - 15 * MINUTE;
    static const int64_t PAUSES[] = {30000, 60000, 120000, 225000, 225000};
    for (size_t i = 0; i < sizeof PAUSES / sizeof PAUSES[0]; i++) {
        credentials_refresh_failed(&r, now_ms, 1.0);
        ck_assert_int_eq(r.retry_ms - now_ms, PAUSES[i]);
    }
    for (int64_t left_ms = 15 * MINUTE; left_ms > 4000; left_ms /= 2) {
        credentials_refresh_failed(&r, NOW + 24LL * HOUR - left_ms, 1.0);
        ck_assert_int_le(r.retry_ms, NOW + 24LL * HOUR - left_ms + left_ms / 4);
    }
}
END_TEST

START_TEST(a_stable_set_outlives_its_end_and_nobody_waits_behind_it)
{
    struct credentials_refresh r = in_hand(HOUR, true);
    expect(&r, 2LL * HOUR, CREDENTIALS_USE_AND_FETCH);
    credentials_refresh_failed(&r, NOW + 2LL * HOUR, 1.0);
    ck_assert(credentials_refresh_usable(&r, NOW + 3LL * HOUR));
    expect(&r, 2LL * HOUR + 29000, CREDENTIALS_USE);
    expect(&r, 2LL * HOUR + 30000, CREDENTIALS_USE_AND_FETCH);
    credentials_refresh_refused(&r, NOW + 2LL * HOUR);
    ck_assert(!credentials_refresh_usable(&r, NOW + 2LL * HOUR));
    expect(&r, 2LL * HOUR, CREDENTIALS_WAIT); /* at once, whatever the pause was */
}
END_TEST

START_TEST(a_set_that_had_ended_when_it_came_is_used_and_not_asked_for_again_at_once)
{
    struct credentials_refresh r = in_hand(-HOUR, false);
    ck_assert(credentials_refresh_usable(&r, NOW));
    expect(&r, 0, CREDENTIALS_USE);
    expect(&r, 30 * 1000 - 1, CREDENTIALS_USE);
    expect(&r, 30 * 1000, CREDENTIALS_USE_AND_FETCH);
}
END_TEST

START_TEST(a_refusal_forces_one_fetch)
{
    struct credentials_refresh r = in_hand(HOUR, false);
    credentials_refresh_refused(&r, NOW + 1000);
    expect(&r, 1000, CREDENTIALS_WAIT);
    credentials_refresh_fetched(&r, NOW + 1000, NOW + HOUR, false, true, 0.0); /* the same set */
    expect(&r, 1000, CREDENTIALS_USE);
    credentials_refresh_refused(&r, NOW + 2000);
    expect(&r, 2000, CREDENTIALS_USE);
    credentials_refresh_refused(&r, NOW + 31000);
    expect(&r, 31000, CREDENTIALS_WAIT);
    credentials_refresh_fetched(&r, NOW + 31000, NOW + HOUR, false, false, 0.0); /* another */
    credentials_refresh_refused(&r, NOW + 31001);
    expect(&r, 31001, CREDENTIALS_WAIT);
}
END_TEST

START_TEST(failures_with_nothing_in_hand_are_remembered_for_seconds)
{
    struct credentials_refresh r = {.have = false};
    static const int64_t PAUSES[] = {1000, 2000, 4000, 8000, 10000, 10000};
    for (size_t i = 0; i < sizeof PAUSES / sizeof PAUSES[0]; i++) {
        credentials_refresh_failed(&r, NOW, 1.0);
        expect(&r, PAUSES[i] - 1, CREDENTIALS_FAIL);
        expect(&r, PAUSES[i], CREDENTIALS_WAIT);
    }
}
END_TEST

START_TEST(a_clock_that_is_set_back_prolongs_no_pause)
{
    struct credentials_refresh r = {.have = false};
    credentials_refresh_failed(&r, NOW, 1.0);
    expect(&r, -HOUR, CREDENTIALS_WAIT);
}
END_TEST

UNIT_MAIN("credentials_refresh", nothing_in_hand_waits_for_a_fetch,
          a_set_without_an_end_is_never_fetched_again,
          an_hour_is_renewed_a_quarter_ahead_and_waited_for_in_the_last_five_minutes,
          jitter_spreads_a_fleet_that_started_together, a_short_life_is_renewed_at_its_half,
          a_failed_renewal_keeps_the_set_and_pauses,
          pauses_double_up_to_five_minutes_and_never_use_up_what_is_left,
          a_stable_set_outlives_its_end_and_nobody_waits_behind_it,
          a_set_that_had_ended_when_it_came_is_used_and_not_asked_for_again_at_once,
          a_refusal_forces_one_fetch, failures_with_nothing_in_hand_are_remembered_for_seconds,
          a_clock_that_is_set_back_prolongs_no_pause)
