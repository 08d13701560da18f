/* The retry algorithm: delays, hints, quota, long polls. All numbers are those of aws/retry.h's source. */
#include "aws/retry.h"

#include "tests/unit/unit.h"

static struct retry_question question(enum retry_class why, int attempt)
{
    return (struct retry_question){
        .why = why, .attempt = attempt, .max_attempts = 10, .hint_ms = -1, .random = 0.5};
}

START_TEST(delays_double_up_to_twenty_seconds)
{
    static const int64_t TRANSIENT[] = {50, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 20000, 20000};
    static const int64_t THROTTLED[] = {1000, 2000, 4000, 8000, 16000, 20000, 20000};
    /* The ceiling is never reached (random < 1), so one ms below it is the most. */
    for (int i = 0; i < 11; i++)
        ck_assert_int_eq(retry_delay_ms(RETRY_TRANSIENT, i, -1, 0.99999999), TRANSIENT[i] - 1);
    for (int i = 0; i < 7; i++)
        ck_assert_int_eq(retry_delay_ms(RETRY_THROTTLED, i, -1, 0.99999999), THROTTLED[i] - 1);
    ck_assert_int_eq(retry_delay_ms(RETRY_TRANSIENT, 1000000, -1, 0.5), 10000);
}
END_TEST

START_TEST(jitter_is_full)
{
    ck_assert_int_eq(retry_delay_ms(RETRY_THROTTLED, 3, -1, 0.0), 0);
    ck_assert_int_eq(retry_delay_ms(RETRY_THROTTLED, 3, -1, 0.25), 2000);
    ck_assert_int_eq(retry_delay_ms(RETRY_TRANSIENT, 0, -1, 0.5), 25);
}
END_TEST

START_TEST(a_hint_raises_the_delay_by_five_seconds_at_most_and_never_lowers_it)
{
    ck_assert_int_eq(retry_delay_ms(RETRY_TRANSIENT, 0, 1500, 0.5), 1500);
    ck_assert_int_eq(retry_delay_ms(RETRY_TRANSIENT, 0, 10, 0.5), 25);
    ck_assert_int_eq(retry_delay_ms(RETRY_TRANSIENT, 0, 0, 0.5), 25);
    ck_assert_int_eq(retry_delay_ms(RETRY_TRANSIENT, 0, 5025, 0.5), 5025);
    ck_assert_int_eq(retry_delay_ms(RETRY_TRANSIENT, 0, 5026, 0.5), 5025);
    ck_assert_int_eq(retry_delay_ms(RETRY_TRANSIENT, 0, 3600000, 0.5), 5025);
}
END_TEST

START_TEST(what_may_not_be_retried_is_not)
{
    struct retry_quota quota = {RETRY_QUOTA_FULL};
    struct retry_state state = {0};
    struct retry_question q = question(RETRY_NEVER, 1);
    q.long_poll = true;
    struct retry_answer answer = retry_decide(&quota, &state, &q);
    ck_assert(!answer.retry);
    ck_assert_int_eq(answer.delay_ms, 0);
    ck_assert_int_eq(quota.tokens, RETRY_QUOTA_FULL);
}
END_TEST

START_TEST(the_last_attempt_is_the_last)
{
    struct retry_quota quota = {RETRY_QUOTA_FULL};
    struct retry_state state = {0};
    struct retry_question q = question(RETRY_TRANSIENT, 2);
    q.max_attempts = 3;
    ck_assert(retry_decide(&quota, &state, &q).retry);
    q.attempt = 3;
    q.long_poll = true;
    struct retry_answer answer = retry_decide(&quota, &state, &q);
    ck_assert(!answer.retry);
    ck_assert_int_eq(answer.delay_ms, 0);
    ck_assert_int_eq(quota.tokens, RETRY_QUOTA_FULL - RETRY_COST_TRANSIENT);
}
END_TEST

/* Retries that a full quota pays for when nothing ever succeeds. */
static int granted(enum retry_class why)
{
    struct retry_quota quota = {RETRY_QUOTA_FULL};
    int count = 0;
    for (;;) {
        struct retry_state state = {0};
        struct retry_question q = question(why, 1);
        if (!retry_decide(&quota, &state, &q).retry)
            return count;
        count++;
    }
}

START_TEST(a_full_quota_pays_for_35_transient_or_100_throttled_retries)
{
    ck_assert_int_eq(granted(RETRY_TRANSIENT), 35);
    ck_assert_int_eq(granted(RETRY_THROTTLED), 100);
}
END_TEST

START_TEST(an_empty_quota_fails_at_once_but_a_long_poll_waits_first)
{
    struct retry_quota quota = {RETRY_COST_TRANSIENT - 1};
    struct retry_state state = {0};
    struct retry_question q = question(RETRY_TRANSIENT, 1);
    struct retry_answer answer = retry_decide(&quota, &state, &q);
    ck_assert(!answer.retry);
    ck_assert_int_eq(answer.delay_ms, 0);
    q.long_poll = true;
    answer = retry_decide(&quota, &state, &q);
    ck_assert(!answer.retry);
    ck_assert_int_eq(answer.delay_ms, 25);
    ck_assert_int_eq(quota.tokens, RETRY_COST_TRANSIENT - 1);
    ck_assert_int_eq(state.retries, 0);
    q.why = RETRY_THROTTLED; /* cheaper: there is enough for that */
    ck_assert(retry_decide(&quota, &state, &q).retry);
    ck_assert_int_eq(quota.tokens, RETRY_COST_TRANSIENT - 1 - RETRY_COST_THROTTLED);
}
END_TEST

START_TEST(exactly_enough_quota_is_enough)
{
    struct retry_quota quota = {RETRY_COST_TRANSIENT};
    struct retry_state state = {0};
    struct retry_question q = question(RETRY_TRANSIENT, 1);
    ck_assert(retry_decide(&quota, &state, &q).retry);
    ck_assert_int_eq(quota.tokens, 0);
}
END_TEST

START_TEST(success_gives_back_the_last_cost_or_one)
{
    struct retry_quota quota = {100};
    struct retry_state state = {0};
    retry_succeeded(&quota, &state);
    ck_assert_int_eq(quota.tokens, 101);
    struct retry_question q = question(RETRY_TRANSIENT, 1);
    ck_assert(retry_decide(&quota, &state, &q).retry);
    q = question(RETRY_THROTTLED, 2);
    ck_assert(retry_decide(&quota, &state, &q).retry);
    ck_assert_int_eq(quota.tokens, 101 - RETRY_COST_TRANSIENT - RETRY_COST_THROTTLED);
    retry_succeeded(&quota, &state);
    ck_assert_int_eq(quota.tokens, 101 - RETRY_COST_TRANSIENT);
    quota.tokens = RETRY_QUOTA_FULL;
    retry_succeeded(&quota, &state);
    ck_assert_int_eq(quota.tokens, RETRY_QUOTA_FULL);
}
END_TEST

START_TEST(the_delay_grows_with_the_retries_of_the_call)
{
    struct retry_quota quota = {RETRY_QUOTA_FULL};
    struct retry_state state = {0};
    static const int64_t WANTED[] = {25, 50, 100, 200};
    for (int i = 0; i < 4; i++) {
        struct retry_question q = question(RETRY_TRANSIENT, i + 1);
        ck_assert_int_eq(retry_decide(&quota, &state, &q).delay_ms, WANTED[i]);
    }
}
END_TEST

UNIT_MAIN("retry", delays_double_up_to_twenty_seconds, jitter_is_full,
          a_hint_raises_the_delay_by_five_seconds_at_most_and_never_lowers_it, what_may_not_be_retried_is_not,
          the_last_attempt_is_the_last, a_full_quota_pays_for_35_transient_or_100_throttled_retries,
          an_empty_quota_fails_at_once_but_a_long_poll_waits_first, exactly_enough_quota_is_enough,
          success_gives_back_the_last_cost_or_one, the_delay_grows_with_the_retries_of_the_call)
