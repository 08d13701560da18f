/* What a client believes of its clock and its credentials, and how replies change that. */
#include "tests/unit/aws/client_fixture.h"

#include <time.h>

/* ---- the clock ---- */

static int64_t stamp_of(int index)
{
    struct tm tm = {0};
    ck_assert_ptr_nonnull(strptime(fake_header(&g_server, index, "X-Amz-Date"), "%Y%m%dT%H%M%SZ", &tm));
    return (int64_t)timegm(&tm);
}

/* A Date header that is `ahead_s` seconds ahead of us; static memory. */
static const char *date_header(int64_t ahead_s, const char *more)
{
    static char text[160];
    char date[64];
    struct tm tm;
    time_t then = (time_t)(clock_wall_ms() / 1000 + ahead_s);
    (void)gmtime_r(&then, &tm);
    (void)strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    (void)snprintf(text, sizeof text, "Date: %s\r\n%s", date, more);
    return text;
}

static int64_t skew_ms(void)
{
    struct aws_client_stats stats;
    aws_client_get_stats(g_client, &stats);
    return stats.skew_ms;
}

START_TEST(a_wrong_clock_is_corrected_and_the_call_repeated)
{
    set_up();
    struct fake_step steps[] = {
        {.status = 403, .body = "{\"__type\":\"x#SignatureDoesNotMatch\",\"message\":\"not yet current\"}"},
        {.status = 200, .body = "{}"}};
    steps[0].headers = date_header(3600, "");
    fake_script(&g_server, steps, 2);
    do_call();
    ck_assert_int_eq(g_outcome.result.kind, AWS_KIND_OK);
    ck_assert_int_eq(g_outcome.result.attempts, 2);
    ck_assert_int_ge(stamp_of(1) - stamp_of(0), 3598);
    ck_assert_int_le(stamp_of(1) - stamp_of(0), 3660);
    ck_assert_int_ge(skew_ms(), 3590000);
    ck_assert_int_le(skew_ms(), 3600000);
    tear_down();
}
END_TEST

START_TEST(a_small_difference_of_clocks_is_no_reason_to_repeat)
{
    set_up();
    struct fake_step step = {.status = 403, .body = "{\"__type\":\"x#SignatureDoesNotMatch\"}"};
    step.headers = date_header(200, "");
    fake_script(&g_server, &step, 1);
    expect_one_attempt(AWS_KIND_CREDENTIALS, "SignatureDoesNotMatch");
    tear_down();
}
END_TEST

START_TEST(a_cached_reply_says_nothing_about_the_clock)
{
    set_up();
    struct fake_step step = {.status = 403, .body = "{\"__type\":\"x#InvalidSignatureException\"}"};
    step.headers = date_header(3600, "Age: 3\r\n");
    fake_script(&g_server, &step, 1);
    expect_one_attempt(AWS_KIND_CREDENTIALS, "InvalidSignatureException");
    ck_assert_int_eq(skew_ms(), 0);
    tear_down();
}
END_TEST

START_TEST(the_clock_is_also_learnt_from_good_replies)
{
    set_up();
    struct fake_step step = {.status = 200, .body = "{}"};
    step.headers = date_header(-7200, "");
    fake_script(&g_server, &step, 1);
    do_call();
    do_call();
    ck_assert_int_le(stamp_of(1) - stamp_of(0), -7198);
    tear_down();
}
END_TEST

START_TEST(an_expired_signature_is_repeated_once)
{
    set_up();
    FAKE_SCRIPT(&g_server,
                {.status = 403,
                 .body =
                     "{\"__type\":\"x#InvalidSignatureException\",\"message\":\"Signature expired: a is now "
                     "earlier than b\"}"});
    do_call();
    ck_assert_int_eq(g_outcome.result.kind, AWS_KIND_CREDENTIALS);
    ck_assert_int_eq(g_server.request_count, 2);
    tear_down();
}
END_TEST

/* ---- credentials ---- */

static const char EXPIRED[] = "{\"__type\":\"x#ExpiredTokenException\",\"message\":\"expired\"}";

static void change_keys(struct fake_server *server)
{
    (void)server;
    (void)setenv("AWS_ACCESS_KEY_ID", "SECOND", 1);
}

START_TEST(expired_credentials_are_looked_for_again_once)
{
    set_up_bare();
    (void)setenv("AWS_ACCESS_KEY_ID", "FIRST", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "hush", 1);
    struct aws_client_options options = plain_options();
    options.credentials = NULL;
    make_client(&options);
    g_server.on_request = change_keys;
    FAKE_SCRIPT(&g_server, {.status = 400, .body = EXPIRED}, {.status = 200, .body = "{}"});
    do_call();
    ck_assert_int_eq(g_outcome.result.kind, AWS_KIND_OK);
    ck_assert_ptr_nonnull(strstr(fake_header(&g_server, 0, "Authorization"), "Credential=FIRST/"));
    ck_assert_ptr_nonnull(strstr(fake_header(&g_server, 1, "Authorization"), "Credential=SECOND/"));
    FAKE_SCRIPT(&g_server, {.status = 400, .body = EXPIRED});
    do_call();
    ck_assert_int_eq(g_outcome.result.kind, AWS_KIND_CREDENTIALS);
    ck_assert_str_eq(g_outcome.result.code, "ExpiredTokenException");
    ck_assert_int_eq(g_server.request_count, 2);
    tear_down();
}
END_TEST

START_TEST(credentials_that_cannot_change_are_not_tried_again)
{
    set_up();
    FAKE_SCRIPT(&g_server, {.status = 403, .body = EXPIRED});
    expect_one_attempt(AWS_KIND_CREDENTIALS, "ExpiredTokenException");
    tear_down();
}
END_TEST

START_TEST(without_credentials_nothing_is_sent)
{
    set_up_bare();
    struct aws_client_options options = plain_options();
    options.credentials = NULL;
    make_client(&options);
    FAKE_SCRIPT(&g_server, {.status = 200, .body = "{}"});
    do_call();
    ck_assert_int_eq(g_outcome.result.kind, AWS_KIND_CREDENTIALS);
    ck_assert_str_eq(g_outcome.result.code, "NoCredentials");
    ck_assert_ptr_nonnull(strstr(g_outcome.result.message, "AWS_ACCESS_KEY_ID is not set"));
    ck_assert_int_eq(g_server.request_count, 0);
    (void)setenv("AWS_ACCESS_KEY_ID", "LATER", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "hush", 1);
    do_call(); /* not having found any is not remembered */
    ck_assert_int_eq(g_outcome.result.kind, AWS_KIND_OK);
    tear_down();
}
END_TEST

UNIT_MAIN("client_trust", a_wrong_clock_is_corrected_and_the_call_repeated,
          a_small_difference_of_clocks_is_no_reason_to_repeat, a_cached_reply_says_nothing_about_the_clock,
          the_clock_is_also_learnt_from_good_replies, an_expired_signature_is_repeated_once,
          expired_credentials_are_looked_for_again_once, credentials_that_cannot_change_are_not_tried_again,
          without_credentials_nothing_is_sent)
