/* When telemetry is POSTed, and where it may go. */
#include "tests/unit/unit.h"

#include "worker/uplink.h"

static struct uplink_state state;

static void start(void)
{
    state = (struct uplink_state){.taken = 0};
}

static int64_t miss(enum uplink_outcome outcome, double jitter)
{
    ck_assert(uplink_state_begin(&state));
    struct uplink_wait wait = uplink_state_done(&state, outcome, -1, jitter);
    ck_assert(!wait.is_interval);
    return wait.real_ms;
}

START_TEST(one_post_at_a_time)
{
    start();
    ck_assert(uplink_state_begin(&state));
    ck_assert(!uplink_state_begin(&state));
    ck_assert(uplink_state_done(&state, UPLINK_TAKEN, -1, 0.5).is_interval);
    ck_assert(uplink_state_begin(&state));
}
END_TEST

START_TEST(waits_double_up_to_the_longest_and_end_with_the_first_success)
{
    static const int64_t WAITS[] = {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000};
    start();
    for (size_t i = 0; i < sizeof WAITS / sizeof WAITS[0]; i++)
        ck_assert_int_eq(miss(UPLINK_FAILED, 1), WAITS[i]);
    ck_assert(uplink_state_begin(&state));
    ck_assert(uplink_state_done(&state, UPLINK_TAKEN, -1, 1).is_interval);
    ck_assert_int_eq(miss(UPLINK_FAILED, 1), 500);
    ck_assert_int_eq(state.failed, 9);
}
END_TEST

START_TEST(jitter_takes_up_to_half)
{
    start();
    ck_assert_int_eq(miss(UPLINK_FAILED, 0), 250);
    ck_assert_int_eq(miss(UPLINK_FAILED, 0.5), 750);
}
END_TEST

START_TEST(who_refuses_is_asked_seldom)
{
    start();
    ck_assert_int_eq(miss(UPLINK_REFUSED, 1), 30000);
    ck_assert_int_eq(miss(UPLINK_REFUSED, 0), 15000);
    ck_assert_int_eq(state.refused, 2);
}
END_TEST

START_TEST(retry_after_is_kept_within_reason)
{
    start();
    ck_assert(uplink_state_begin(&state));
    ck_assert_int_eq(uplink_state_done(&state, UPLINK_FAILED, 7000, 1).real_ms, 7000);
    ck_assert(uplink_state_begin(&state));
    ck_assert_int_eq(uplink_state_done(&state, UPLINK_FAILED, 86400000, 1).real_ms,
                     UPLINK_RETRY_AFTER_MAX_MS);
}
END_TEST

START_TEST(bye_is_for_who_listened_last)
{
    start();
    ck_assert(!uplink_state_end(&state)); /* never answered */
    start();
    ck_assert(uplink_state_begin(&state));
    (void)uplink_state_done(&state, UPLINK_TAKEN, -1, 0);
    ck_assert(uplink_state_begin(&state));
    ck_assert(uplink_state_end(&state)); /* the one on the wire is cut off */
    ck_assert(!uplink_state_end(&state));
    start();
    (void)miss(UPLINK_FAILED, 0);
    ck_assert(!uplink_state_end(&state));
    ck_assert(!uplink_state_begin(&state));
}
END_TEST

START_TEST(what_statuses_mean)
{
    ck_assert_int_eq(uplink_outcome_of(200), UPLINK_TAKEN);
    ck_assert_int_eq(uplink_outcome_of(204), UPLINK_TAKEN);
    ck_assert_int_eq(uplink_outcome_of(0), UPLINK_FAILED);
    ck_assert_int_eq(uplink_outcome_of(429), UPLINK_FAILED);
    ck_assert_int_eq(uplink_outcome_of(503), UPLINK_FAILED);
    ck_assert_int_eq(uplink_outcome_of(302), UPLINK_REFUSED);
    ck_assert_int_eq(uplink_outcome_of(401), UPLINK_REFUSED);
    ck_assert_int_eq(uplink_outcome_of(404), UPLINK_REFUSED);
}
END_TEST

START_TEST(http_stays_within_private_networks)
{
    static const char *const GOOD[] = {
        "https://sluice.example.org/v1/telemetry/orders", "http://127.0.0.1:9401/v1/telemetry/orders",
        "http://10.0.3.7:9401/v1/telemetry/orders",       "http://sluice.internal:9401/v1/telemetry/orders",
        "http://[fd00::7]:9401/v1/telemetry/orders",      "https://8.8.8.8/v1/telemetry/orders"};
    static const char *const WRONG[] = {"http://8.8.8.8/v1/telemetry/orders",
                                        "http://[2001:db8::1]:9401/v1/telemetry/orders",
                                        "http://user:secret@10.0.0.1/v1/telemetry/orders",
                                        "ftp://10.0.0.1/v1",
                                        "10.0.0.1:9401",
                                        "http://10.0.0.1/v1?token=x"};
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++) {
        struct err err = {.text = ""};
        ck_assert_msg(uplink_check_url(GOOD[i], &err) == 0, "%s", err.text);
    }
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        struct err err = {.text = ""};
        ck_assert_msg(uplink_check_url(WRONG[i], &err) == -1, "%s", WRONG[i]);
        ck_assert_int_eq(strncmp(err.text, "SLUICE_TELEMETRY_URL", 20), 0);
        ck_assert(strstr(err.text, "secret") == NULL);
    }
}
END_TEST

UNIT_MAIN("uplink", one_post_at_a_time, waits_double_up_to_the_longest_and_end_with_the_first_success,
          jitter_takes_up_to_half, who_refuses_is_asked_seldom, retry_after_is_kept_within_reason,
          bye_is_for_who_listened_last, what_statuses_mean, http_stays_within_private_networks)
