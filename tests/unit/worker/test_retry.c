/* Retry delays: what is taken and refused, and how they vary. */
#include "tests/unit/unit.h"

#include "worker/retry.h"

static struct retry_delays delays;
static struct err err;

START_TEST(lists_that_are_taken)
{
    ck_assert_int_eq(retry_delays_parse("1s,2s,5m,0,12h", &delays, &err), 0);
    ck_assert_int_eq(delays.count, 5);
    static const int WANT[] = {1, 2, 300, 0, 43200};
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(delays.seconds[i], WANT[i]);
    ck_assert_int_eq(retry_delays_parse("1m30s", &delays, &err), 0);
    ck_assert_int_eq(delays.count, 1);
    ck_assert_int_eq(delays.seconds[0], 90);
}
END_TEST

START_TEST(lists_that_are_refused_name_the_entry_and_what_is_allowed)
{
    static const struct {
        const char *text, *named;
    } ROWS[] = {
        {"", "\"\""},
        {"1s,,2s", "\"\""},
        {"1s,", "\"\""},
        {"1s,500ms", "\"500ms\""},
        {"1s,12h1s", "\"12h1s\""},
        {"5", "\"5\""},
        {"-1s", "\"-1s\""},
        {"1s, 2s", "\" 2s\""},
        {"1s;2s", "\"1s;2s\""},
        {"1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s",
         "1 to 32"},
        {"1000000000000000000000000000000000000000000000000000000000000s", "1000000000"}};
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        delays.count = 77;
        ck_assert_msg(retry_delays_parse(ROWS[i].text, &delays, &err) == -1, "%s", ROWS[i].text);
        ck_assert_int_eq(delays.count, 77);
        ck_assert_msg(strstr(err.text, ROWS[i].named) != NULL, "%s: %s", ROWS[i].text, err.text);
        ck_assert_ptr_nonnull(strstr(err.text, "--retry-delays"));
        ck_assert_ptr_nonnull(strstr(err.text, "whole seconds from 0 to 12h"));
    }
}
END_TEST

static uint64_t g_random = 88172645463325252ULL;

static uint64_t next_random(void)
{
    g_random ^= g_random << 13;
    g_random ^= g_random >> 7;
    g_random ^= g_random << 17;
    return g_random;
}

START_TEST(each_delay_varies_by_a_fifth_and_never_becomes_none)
{
    ck_assert_int_eq(retry_delays_parse("1s,10s,100s", &delays, &err), 0);
    for (int count = 0; count <= 5; count++) {
        int want = count <= 1 ? 1 : count == 2 ? 10 : 100;
        int least = 1 << 30;
        int most = 0;
        int64_t sum = 0;
        for (int i = 0; i < 2000; i++) {
            int delay_s = retry_delay_s(&delays, count, next_random());
            least = delay_s < least ? delay_s : least;
            most = delay_s > most ? delay_s : most;
            sum += delay_s;
        }
        ck_assert_int_eq(least, want == 1 ? 1 : want * 4 / 5); /* both ends are reached */
        ck_assert_int_eq(most, want == 1 ? 1 : want * 6 / 5);
        ck_assert_int_ge(sum, 2000 * want * 99 / 100);
        ck_assert_int_le(sum, 2000 * want * 101 / 100);
    }
}
END_TEST

START_TEST(none_stays_none_and_the_longest_is_what_sqs_takes)
{
    ck_assert_int_eq(retry_delays_parse("0s,12h", &delays, &err), 0);
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(retry_delay_s(&delays, 1, next_random()), 0);
        ck_assert_int_le(retry_delay_s(&delays, 2, next_random()), RETRY_DELAY_MAX_S);
    }
}
END_TEST

UNIT_MAIN("retry", lists_that_are_taken, lists_that_are_refused_name_the_entry_and_what_is_allowed,
          each_delay_varies_by_a_fifth_and_never_becomes_none,
          none_stays_none_and_the_longest_is_what_sqs_takes)
