/* The two clocks and timers armed in them. */
#include "tests/unit/unit.h"

#include "base/clock.h"
#include "base/loop.h"

#include <event2/event.h>
#include <stdio.h>

START_TEST(bad_scales_are_refused_with_what_is_allowed)
{
    static const char *const BAD[] = {"0@1", "21@1", "2", "2@", "@1", "x@1", "2@1x", "2@-1", "-3@5", "2.5@1"};
    struct err err;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        ck_assert_msg(clock_init_from(BAD[i], &err) == -1, "%s", BAD[i]);
        ck_assert_ptr_nonnull(strstr(err.text, BAD[i]));
        ck_assert_ptr_nonnull(strstr(err.text, "1 to 20"));
    }
}
END_TEST

START_TEST(origins_far_from_now_are_refused_and_the_farthest_fit)
{
    static const int64_t DAY_MS = 86400000;
    static const char *const BAD[] = {
        "20@0", "2@1", "1@0", "20@9223372036854775807", "1@9223372036854775807", "20@9223372036854775808"};
    const int64_t edges[] = {-3650, 3650};
    char setting[64];
    struct err err;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        ck_assert_msg(clock_init_from(BAD[i], &err) == -1, "%s", BAD[i]);
        ck_assert_ptr_nonnull(strstr(err.text, BAD[i]));
    }
    for (size_t i = 0; i < 2; i++) {
        int64_t origin = clock_wall_ms() + edges[i] * DAY_MS;
        (void)snprintf(setting, sizeof setting, "20@%lld", (long long)origin);
        ck_assert_msg(clock_init_from(setting, &err) == 0, "%s", err.text);
        int64_t low = origin + (clock_wall_ms() - origin) * 20;
        ck_assert_int_ge(clock_product_ms(), low - 40);
        ck_assert_int_le(clock_product_ms() - low, DAY_MS);
        origin += (edges[i] < 0 ? -4 : 4) * DAY_MS;
        (void)snprintf(setting, sizeof setting, "20@%lld", (long long)origin);
        ck_assert_int_eq(clock_init_from(setting, &err), -1);
        ck_assert_ptr_nonnull(strstr(err.text, "at most 10 years before or after now"));
    }
}
END_TEST

START_TEST(product_time_is_wall_time_at_scale_one)
{
    ck_assert_int_eq(clock_init_from(NULL, NULL), 0);
    int64_t before = clock_wall_ms();
    int64_t product = clock_product_ms();
    int64_t after = clock_wall_ms();
    ck_assert_int_le(before - 1, product);
    ck_assert_int_ge(after + 1, product);
    ck_assert_int_eq(clock_real_us_of_product_ms(60000), 60000000);
}
END_TEST

START_TEST(product_time_is_scaled_from_its_origin)
{
    char setting[64];
    int64_t origin = clock_wall_ms() - 1000;
    (void)snprintf(setting, sizeof setting, "20@%lld", (long long)origin);
    ck_assert_int_eq(clock_init_from(setting, NULL), 0);
    int64_t low = origin + (clock_wall_ms() - origin) * 20;
    int64_t product = clock_product_ms();
    int64_t high = origin + (clock_wall_ms() - origin) * 20;
    ck_assert_int_ge(product, low - 40);
    ck_assert_int_le(product, high + 40);
    ck_assert_int_eq(clock_real_us_of_product_ms(30000), 1500000);
    ck_assert_int_eq(clock_real_us_of_product_ms(1), 50);
    ck_assert_int_eq(clock_real_us_of_product_ms(-5), 0);
    ck_assert_int_eq(clock_scale(), 20);
}
END_TEST

START_TEST(sleeping_until_a_product_time_is_never_short)
{
    char setting[64];
    (void)snprintf(setting, sizeof setting, "20@%lld", (long long)clock_wall_ms());
    ck_assert_int_eq(clock_init_from(setting, NULL), 0);
    int64_t until = clock_product_ms() + 100;
    clock_sleep_until_product_ms(until);
    ck_assert_int_ge(clock_product_ms(), until);
    clock_sleep_until_product_ms(until - 1000000); /* in the past: returns */
}
END_TEST

START_TEST(sleeping_for_a_product_time_is_never_short)
{
    char setting[64];
    (void)snprintf(setting, sizeof setting, "20@%lld", (long long)clock_wall_ms());
    ck_assert_int_eq(clock_init_from(setting, NULL), 0);
    int64_t start_us = clock_product_us();
    clock_sleep_product_ms(40);
    ck_assert_int_ge(clock_product_us() - start_us, 40000);
    int64_t us = clock_product_us();
    ck_assert_int_le(us / 1000, clock_product_ms());
    clock_sleep_product_ms(0);
    clock_sleep_product_ms(-1000000);
}
END_TEST

START_TEST(times_print_as_iso_8601)
{
    char text[25];
    ck_assert_str_eq(clock_format_iso8601(0, text), "1970-01-01T00:00:00.000Z");
    ck_assert_str_eq(clock_format_iso8601(1440938160123, text), "2015-08-30T12:36:00.123Z");
}
END_TEST

struct fired {
    int count;
    int64_t product_ms[3];
    struct loop_timer *again;
};

static void on_fire(void *arg)
{
    struct fired *fired = arg;
    fired->product_ms[fired->count++] = clock_product_ms();
    if (fired->count < 3)
        loop_timer_arm_product_ms(fired->again, 40);
}

START_TEST(timers_fire_in_product_time_and_may_rearm_themselves)
{
    char setting[64];
    (void)snprintf(setting, sizeof setting, "20@%lld", (long long)clock_wall_ms());
    ck_assert_int_eq(clock_init_from(setting, NULL), 0);
    struct event_base *base = loop_base_new();
    struct loop_timer timer;
    struct fired fired = {.again = &timer};
    loop_timer_init(&timer, base, on_fire, &fired);
    int64_t start = clock_product_ms();
    loop_timer_arm_product_ms(&timer, 40);
    ck_assert(loop_timer_pending(&timer));
    (void)event_base_dispatch(base);
    ck_assert_int_eq(fired.count, 3);
    for (int i = 0; i < 3; i++)
        ck_assert_int_ge(fired.product_ms[i] - start, 40 * (i + 1) - 20); /* libevent rounds to 1 ms real */
    ck_assert(!loop_timer_pending(&timer));
    loop_timer_arm_real_ms(&timer, 1000000);
    loop_timer_cancel(&timer);
    ck_assert(!loop_timer_pending(&timer));
    loop_timer_clean_up(&timer);
    event_base_free(base);
}
END_TEST

START_TEST(a_floor_in_real_time_holds_at_high_scale)
{
    char setting[64];
    (void)snprintf(setting, sizeof setting, "20@%lld", (long long)clock_wall_ms());
    ck_assert_int_eq(clock_init_from(setting, NULL), 0);
    struct event_base *base = loop_base_new();
    struct loop_timer timer;
    struct fired fired = {.count = 2, .again = &timer};
    loop_timer_init(&timer, base, on_fire, &fired);
    int64_t start_ms = clock_mono_ms();
    loop_timer_arm_product_floor_ms(&timer, 20, 30); /* 20 product ms are 1 real ms */
    (void)event_base_dispatch(base);
    ck_assert_int_ge(clock_mono_ms() - start_ms, 29);
    loop_timer_clean_up(&timer);
    event_base_free(base);
}
END_TEST

UNIT_MAIN("clock", bad_scales_are_refused_with_what_is_allowed,
          origins_far_from_now_are_refused_and_the_farthest_fit, product_time_is_wall_time_at_scale_one,
          product_time_is_scaled_from_its_origin, sleeping_until_a_product_time_is_never_short,
          sleeping_for_a_product_time_is_never_short, times_print_as_iso_8601,
          timers_fire_in_product_time_and_may_rearm_themselves, a_floor_in_real_time_holds_at_high_scale)
