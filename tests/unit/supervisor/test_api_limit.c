/* The limiter of API calls, with invented time. */
#include "supervisor/api_limit.h"

#include "tests/unit/unit.h"

static int64_t drain(struct api_limit *limit, int64_t now_ms)
{
    int64_t wait_ms = 0;
    int64_t taken = 0;
    while (api_limit_take(limit, now_ms, &wait_ms))
        taken++;
    ck_assert_int_ge(wait_ms, 1);
    return taken;
}

START_TEST(a_burst_goes_at_once_and_then_the_rate)
{
    struct api_limit limit;
    int64_t wait_ms = 0;
    api_limit_init(&limit, 50, 16, 1000);
    ck_assert_int_eq(drain(&limit, 1000), 50);
    ck_assert_int_eq(drain(&limit, 1062), 0);
    ck_assert(!api_limit_take(&limit, 1062, &wait_ms));
    ck_assert(api_limit_take(&limit, 1062 + wait_ms, &wait_ms));
    ck_assert_int_eq(drain(&limit, 1062 + 1000), 15);
    ck_assert_int_eq(drain(&limit, 3600000), 50); /* and never more than the burst */
    ck_assert_int_eq(drain(&limit, 0), 0);        /* a clock that goes back gives nothing */
}
END_TEST

START_TEST(throttling_halves_the_rate_and_successes_raise_it_slowly)
{
    struct api_limit limit;
    api_limit_init(&limit, 50, 16, 0);
    api_limit_tell(&limit, true, 0);
    ck_assert_double_eq(limit.per_s, 8);
    ck_assert_int_eq(drain(&limit, 0), 0);
    ck_assert_int_eq(drain(&limit, 1000), 8);
    for (int i = 0; i < 100; i++)
        api_limit_tell(&limit, true, 1000);
    ck_assert_double_eq(limit.per_s, API_LIMIT_LEAST_PER_S);
    ck_assert_int_eq(drain(&limit, 6001), 1);
    ck_assert_uint_eq(limit.throttled, 101);
    api_limit_tell(&limit, false, 6001);
    ck_assert_double_eq_tol(limit.per_s, API_LIMIT_LEAST_PER_S + 0.8, 1e-9);
    for (int i = 0; i < 100; i++)
        api_limit_tell(&limit, false, 6001);
    ck_assert_double_eq(limit.per_s, 16);
}
END_TEST

START_TEST(what_is_owed_is_waited_for_by_the_next)
{
    struct api_limit limit;
    int64_t wait_ms = 0;
    api_limit_init(&limit, 2, 10, 0);
    ck_assert_int_eq(drain(&limit, 0), 2);
    api_limit_owe(&limit, 0);
    api_limit_owe(&limit, 0);
    ck_assert(!api_limit_take(&limit, 0, &wait_ms));
    ck_assert_int_eq(wait_ms, 300);
    ck_assert_int_eq(drain(&limit, 299), 0);
    ck_assert_int_eq(drain(&limit, 300), 1);
    ck_assert_uint_eq(limit.taken, 5);
}
END_TEST

UNIT_MAIN("api_limit", what_is_owed_is_waited_for_by_the_next, a_burst_goes_at_once_and_then_the_rate,
          throttling_halves_the_rate_and_successes_raise_it_slowly)
