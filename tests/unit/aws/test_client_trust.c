/* What a client believes of its clock and its credentials, and how replies change that. */
#include "tests/unit/aws/call_fixture.h"

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

START_TEST(a_refusal_with_the_clock_already_corrected_is_final)
{
    set_up();
    struct fake_step steps[] = {{.status = 200, .body = "{}"},
                                {.status = 403, .body = "{\"__type\":\"x#SignatureDoesNotMatch\"}"}};
    steps[0].headers = steps[1].headers = date_header(3600, "");
    fake_script(&g_server, steps, 2);
    do_call();
    do_call(); /* far from our clock, and yet nothing new */
    ck_assert_int_eq(g_outcome.result.kind, AWS_KIND_CREDENTIALS);
    ck_assert_int_eq(g_outcome.result.attempts, 1);
    tear_down();
}
END_TEST

/* ---- how old a reply is ---- */

enum { DELAY_MS = 20, LONG_POLL_MS = 60000 };

static void take_time(struct fake_server *server)
{
    (void)server;
    int64_t until_ms = clock_product_ms() + DELAY_MS;
    clock_sleep_until_product_ms(until_ms);
}

static int64_t age_of_a_reply(int64_t poll_product_ms)
{
    free(g_outcome.body);
    g_outcome = (struct outcome){.calls = 0};
    (void)start_call(&g_outcome, poll_product_ms);
    wait_for(&g_outcome);
    ck_assert_int_eq(g_outcome.result.kind, AWS_KIND_OK);
    return g_outcome.result.reply_age_product_ms;
}

START_TEST(a_reply_is_as_old_as_it_came_after_the_end_of_its_long_poll)
{
    set_up();
    g_server.on_request = take_time;
    FAKE_SCRIPT(&g_server, {.status = 200, .body = "{}"});
    ck_assert_int_ge(age_of_a_reply(0), DELAY_MS);
    ck_assert_int_ge(age_of_a_reply(DELAY_MS / 2), DELAY_MS / 2);
    tear_down();
}
END_TEST

START_TEST(a_reply_is_as_old_as_its_date_by_the_servers_clock_says)
{
    set_up();
    struct fake_step steps[] = {{.status = 200, .body = "{}"}, {.status = 200, .body = "{}"}};
    char before[160];
    char later[160];
    g_server.on_request = take_time;
    /* The server's clock is an hour ahead; its second reply was made long before it came: not before it was
     * asked for, of course. */
    (void)snprintf(before, sizeof before, "%s", date_header(3600, ""));
    (void)snprintf(later, sizeof later, "%s", date_header(3500, ""));
    steps[0].headers = before;
    steps[1].headers = later;
    fake_script(&g_server, steps, 2);
    (void)age_of_a_reply(LONG_POLL_MS);
    int64_t began_ms = clock_product_ms();
    int64_t age_ms = age_of_a_reply(LONG_POLL_MS);
    ck_assert_int_ge(age_ms, DELAY_MS);
    ck_assert_int_le(age_ms, clock_product_ms() - began_ms);
    tear_down();
}
END_TEST

START_TEST(a_first_date_says_nothing_about_the_age)
{
    set_up();
    struct fake_step step = {.status = 200, .body = "{}"};
    step.headers = date_header(-100, "");
    g_server.on_request = take_time;
    fake_script(&g_server, &step, 1);
    ck_assert_int_lt(age_of_a_reply(LONG_POLL_MS), g_outcome.result.latency_ms);
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
    ck_assert_int_eq(g_server.request_count, 1); /* there are no others */
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
          without_credentials_nothing_is_sent, a_refusal_with_the_clock_already_corrected_is_final,
          a_reply_is_as_old_as_it_came_after_the_end_of_its_long_poll,
          a_reply_is_as_old_as_its_date_by_the_servers_clock_says, a_first_date_says_nothing_about_the_age)
