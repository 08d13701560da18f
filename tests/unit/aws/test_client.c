/* The client against a scripted server: signatures as sent, retries, timeouts, clock skew, credentials,
 * cancelling. */
#include "aws/client.h"

#include "aws/http.h"
#include "aws/sigv4.h"
#include "base/clock.h"
#include "tests/unit/aws/fake_server.h"
#include "tests/unit/unit.h"

#include <time.h>

/* With this seed the first two random numbers are below 0.008: throttled retries come within 16 ms. */
static const uint64_t QUICK_SEED = 70869;

struct outcome {
    int calls;
    struct aws_result result;
    char *body;
    void (*then)(void); /* runs inside the callback */
    bool freed;
};

static struct event_base *g_base;
static struct fake_server g_server;
static struct aws_client *g_client;
static struct aws_credentials_provider *g_provider;
static struct outcome g_outcome;
static struct aws_call *g_call;

static void on_reply(void *arg, const struct aws_result *result, struct strbuf *reply)
{
    struct outcome *outcome = arg;
    outcome->calls++;
    outcome->result = *result;
    free(outcome->body);
    outcome->body = strbuf_take(reply);
    if (outcome->then != NULL)
        outcome->then();
}

static void on_free(void *arg)
{
    struct outcome *outcome = arg;
    ck_assert(!outcome->freed);
    outcome->freed = true;
}

static void hermetic_environment(void)
{
    static const char *const NAMES[] = {"AWS_REGION",        "AWS_DEFAULT_REGION",    "AWS_PROFILE",
                                        "AWS_ENDPOINT_URL",  "AWS_ENDPOINT_URL_SQS",  "AWS_MAX_ATTEMPTS",
                                        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
                                        "http_proxy"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        (void)unsetenv(NAMES[i]);
    (void)setenv("AWS_CONFIG_FILE", "/nonexistent", 1);
    (void)setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent", 1);
}

static struct aws_client_options plain_options(void)
{
    return (struct aws_client_options){.base = g_base,
                                       .region = "us-west-2",
                                       .endpoint_url = g_server.url,
                                       .credentials = g_provider,
                                       .seed = QUICK_SEED};
}

static void make_client(const struct aws_client_options *options)
{
    struct err err = {""};
    g_client = aws_client_new(options, &err);
    ck_assert_msg(g_client != NULL, "%s", err.text);
}

/* Loop and server without a client. */
static void set_up_bare(void)
{
    hermetic_environment();
    ck_assert_int_eq(clock_init_from(NULL, NULL), 0);
    g_base = loop_base_new();
    fake_start(&g_server, g_base);
    struct aws_credentials *c = aws_credentials_new("AKID", "hush", "TOKEN", 0, "test");
    g_provider = aws_credentials_provider_new_static(c);
    aws_credentials_release(c);
    g_client = NULL;
    g_outcome = (struct outcome){0};
}

static void set_up(void)
{
    set_up_bare();
    struct aws_client_options options = plain_options();
    make_client(&options);
}

static void tear_down(void)
{
    aws_client_destroy(g_client);
    aws_credentials_provider_destroy(g_provider);
    fake_stop(&g_server);
    event_base_free(g_base);
    free(g_outcome.body);
}

static struct aws_call *start_call(struct outcome *outcome, int64_t poll_product_ms)
{
    struct aws_json_call call = {.service = "sqs",
                                 .target = "AmazonSQS.Test",
                                 .content_type = "application/x-amz-json-1.0",
                                 .query_mode = true,
                                 .body = "{\"a\":1}",
                                 .body_len = 7,
                                 .poll_product_ms = poll_product_ms};
    return aws_client_call_json(g_client, &call, on_reply, outcome, on_free);
}

static void wait_for(const struct outcome *outcome)
{
    while (outcome->calls == 0)
        ck_assert_int_eq(event_base_loop(g_base, EVLOOP_ONCE), 0);
}

/* Turns the loop while something is immediately ready. */
static void settle(void)
{
    for (int i = 0; i < 20; i++)
        (void)event_base_loop(g_base, EVLOOP_NONBLOCK);
}

static void do_call(void)
{
    free(g_outcome.body);
    g_outcome = (struct outcome){.then = g_outcome.then};
    g_call = start_call(&g_outcome, 0);
    ck_assert_int_eq(g_outcome.calls, 0); /* never from within */
    wait_for(&g_outcome);
    ck_assert_int_eq(g_outcome.calls, 1);
    ck_assert(g_outcome.freed);
}

/* ---- requests ---- */

START_TEST(what_is_sent_is_what_was_signed)
{
    set_up();
    FAKE_SCRIPT(&g_server, {.status = 200, .body = "{}", .headers = "x-amzn-RequestId: r-1\r\n"});
    do_call();
    ck_assert_int_eq(g_outcome.result.kind, AWS_KIND_OK);
    ck_assert_int_eq(g_outcome.result.http_status, 200);
    ck_assert_int_eq(g_outcome.result.attempts, 1);
    ck_assert_str_eq(g_outcome.result.request_id, "r-1");
    ck_assert_str_eq(g_outcome.body, "{}");
    ck_assert_str_eq(g_server.requests[0].body, "{\"a\":1}");
    ck_assert_int_eq(strncmp(g_server.requests[0].head, "POST / HTTP/1.1\r\n", 17), 0);
    ck_assert_str_eq(fake_header(&g_server, 0, "Expect"), "");
    ck_assert_str_eq(fake_header(&g_server, 0, "Accept-Encoding"), "");

    static const char *const NAMES[] = {"host",       "content-type",      "x-amz-target",
                                        "x-amz-date", "x-amzn-query-mode", "x-amz-security-token"};
    struct sigv4_header headers[6];
    char values[6][256];
    for (int i = 0; i < 6; i++) {
        (void)snprintf(values[i], sizeof values[i], "%s", fake_header(&g_server, 0, NAMES[i]));
        headers[i] = (struct sigv4_header){NAMES[i], values[i]};
    }
    ck_assert_str_eq(values[0], g_server.url + strlen("http://"));
    ck_assert_str_eq(values[2], "AmazonSQS.Test");
    ck_assert_str_eq(values[4], "true");
    ck_assert_str_eq(values[5], "TOKEN");
    struct sigv4_request request = {.method = "POST",
                                    .path = "/",
                                    .headers = headers,
                                    .header_count = 6,
                                    .body = "{\"a\":1}",
                                    .body_len = 7};
    struct sigv4_scope scope = {.region = "us-west-2", .service = "sqs"};
    memcpy(scope.stamp, values[3], SIGV4_STAMP_BYTES);
    struct strbuf canonical = STRBUF_INIT;
    struct strbuf names = STRBUF_INIT;
    struct strbuf to_sign = STRBUF_INIT;
    struct strbuf authorization = STRBUF_INIT;
    uint8_t key[SIGV4_KEY_BYTES];
    char signature[SIGV4_HEX_BYTES];
    sigv4_canonical_request(&request, (struct sigv4_path_rule){true, true}, &canonical, &names);
    sigv4_string_to_sign(&scope, canonical.data, canonical.len, &to_sign);
    sigv4_signing_key("hush", &scope, key);
    sigv4_signature(key, to_sign.data, to_sign.len, signature);
    sigv4_authorization(&scope, "AKID", names.data, signature, &authorization);
    ck_assert_str_eq(fake_header(&g_server, 0, "Authorization"), authorization.data);
    strbuf_clean_up(&canonical);
    strbuf_clean_up(&names);
    strbuf_clean_up(&to_sign);
    strbuf_clean_up(&authorization);
    tear_down();
}
END_TEST

START_TEST(one_connection_serves_call_after_call)
{
    set_up();
    FAKE_SCRIPT(&g_server, {.status = 200, .body = "{}"});
    for (int i = 0; i < 10; i++)
        do_call();
    ck_assert_int_eq(g_server.request_count, 10);
    ck_assert_int_eq(g_server.connection_count, 1);
    tear_down();
}
END_TEST

START_TEST(no_more_requests_at_once_than_connections)
{
    enum { CALLS = 6 };
    struct outcome outcomes[CALLS] = {{0}};
    set_up_bare();
    struct aws_client_options options = plain_options();
    options.max_connections = 2;
    make_client(&options);
    FAKE_SCRIPT(&g_server, {.status = 200, .body = "{}"});
    for (int i = 0; i < CALLS; i++)
        (void)start_call(&outcomes[i], 0);
    for (int i = 0; i < CALLS; i++)
        wait_for(&outcomes[i]);
    ck_assert_int_eq(g_server.request_count, CALLS);
    ck_assert_int_le(g_server.connection_count, 2);
    for (int i = 0; i < CALLS; i++)
        free(outcomes[i].body);
    tear_down();
}
END_TEST

START_TEST(a_proxy_is_not_asked_for_loopback)
{
    set_up_bare();
    (void)setenv("http_proxy", "http://127.0.0.1:1", 1);
    struct aws_client_options options = plain_options();
    make_client(&options);
    FAKE_SCRIPT(&g_server, {.status = 200, .body = "{}"});
    do_call();
    ck_assert_int_eq(g_outcome.result.kind, AWS_KIND_OK);
    tear_down();
}
END_TEST

START_TEST(a_queue_url_decides_where_nothing_else_does)
{
    set_up_bare();
    struct aws_client_options options = plain_options();
    options.endpoint_url = NULL;
    make_client(&options);
    FAKE_SCRIPT(&g_server, {.status = 200, .body = "{}"});
    char queue_url[128];
    (void)snprintf(queue_url, sizeof queue_url, "%s/000000000000/orders", g_server.url);
    struct aws_json_call call = {.service = "sqs",
                                 .target = "AmazonSQS.Test",
                                 .content_type = "application/x-amz-json-1.0",
                                 .queue_url = queue_url,
                                 .body = "{}",
                                 .body_len = 2};
    (void)aws_client_call_json(g_client, &call, on_reply, &g_outcome, on_free);
    wait_for(&g_outcome);
    ck_assert_int_eq(g_outcome.result.kind, AWS_KIND_OK);
    ck_assert_int_eq(strncmp(g_server.requests[0].head, "POST / HTTP", 11), 0);
    struct strbuf url = STRBUF_INIT;
    ck_assert_int_eq(aws_client_endpoint(g_client, "sqs", NULL, &url, NULL), 0);
    ck_assert_str_eq(url.data, "https://sqs.us-west-2.amazonaws.com/");
    strbuf_clean_up(&url);
    tear_down();
}
END_TEST

/* ---- retries ---- */

START_TEST(a_call_that_fails_twice_succeeds_the_third_time)
{
    set_up();
    FAKE_SCRIPT(&g_server, {.status = 500, .body = "{\"__type\":\"x#InternalFailure\"}"},
                {.status = 503, .body = "<html><title>busy</title></html>"}, {.status = 200, .body = "{}"});
    do_call();
    ck_assert_int_eq(g_outcome.result.kind, AWS_KIND_OK);
    ck_assert_int_eq(g_outcome.result.attempts, 3);
    ck_assert_str_eq(g_outcome.result.code, "");
    ck_assert_int_eq(g_server.request_count, 3);
    struct aws_client_stats stats;
    aws_client_get_stats(g_client, &stats);
    ck_assert_uint_eq(stats.calls, 1);
    ck_assert_uint_eq(stats.attempts, 3);
    ck_assert_uint_eq(stats.transient, 2);
    ck_assert_uint_eq(stats.failed, 0);
    tear_down();
}
END_TEST

START_TEST(a_call_that_always_fails_ends_after_its_attempts)
{
    set_up_bare();
    (void)setenv("AWS_MAX_ATTEMPTS", "4", 1);
    struct aws_client_options options = plain_options();
    make_client(&options);
    FAKE_SCRIPT(&g_server, {.status = 502});
    do_call();
    ck_assert_int_eq(g_outcome.result.kind, AWS_KIND_TRANSIENT);
    ck_assert_str_eq(g_outcome.result.code, "502");
    ck_assert_int_eq(g_outcome.result.attempts, 4);
    ck_assert_int_eq(g_server.request_count, 4);
    ck_assert_str_eq(g_outcome.body, "");
    tear_down();
}
END_TEST

START_TEST(a_403_of_throttling_is_retried_and_told_as_such)
{
    char text[256];
    set_up();
    FAKE_SCRIPT(
        &g_server,
        {.status = 403,
         .headers = "x-amzn-query-error: RequestThrottled;Sender\r\n",
         .body = "{\"__type\":\"com.amazonaws.sqs#RequestThrottled\",\"message\":\"Rate exceeded\"}"});
    do_call();
    ck_assert_int_eq(g_outcome.result.kind, AWS_KIND_THROTTLED);
    ck_assert_str_eq(g_outcome.result.query_code, "RequestThrottled");
    ck_assert_str_eq(aws_result_text(&g_outcome.result, "ReceiveMessage", text, sizeof text),
                     "ReceiveMessage: throttled: RequestThrottled: Rate exceeded (HTTP 403, 3 attempts)");
    struct aws_client_stats stats;
    aws_client_get_stats(g_client, &stats);
    ck_assert_uint_eq(stats.throttled, 3);
    ck_assert_uint_eq(stats.failed, 1);
    tear_down();
}
END_TEST

static void expect_one_attempt(enum aws_kind kind, const char *code)
{
    do_call();
    ck_assert_int_eq(g_outcome.result.kind, kind);
    ck_assert_str_eq(g_outcome.result.code, code);
    ck_assert_int_eq(g_server.request_count, 1);
}

START_TEST(errors_of_the_request_are_not_retried)
{
    set_up();
    FAKE_SCRIPT(&g_server, {.status = 400, .body = "{\"__type\":\"x#InvalidParameterValueException\"}"});
    expect_one_attempt(AWS_KIND_REQUEST, "InvalidParameterValueException");
    FAKE_SCRIPT(&g_server, {.status = 403, .body = "{\"__type\":\"x#OverLimit\"}"});
    expect_one_attempt(AWS_KIND_REQUEST, "OverLimit");
    FAKE_SCRIPT(&g_server, {.status = 501});
    expect_one_attempt(AWS_KIND_TRANSIENT, "501");
    FAKE_SCRIPT(&g_server, {.status = 302, .headers = "Location: http://127.0.0.1:1/\r\n"});
    expect_one_attempt(AWS_KIND_REQUEST, "302");
    tear_down();
}
END_TEST

START_TEST(the_quota_of_all_calls_bounds_the_retries)
{
    enum { CALLS = 30 };
    struct outcome outcomes[CALLS] = {{0}};
    set_up();
    FAKE_SCRIPT(&g_server, {.status = 500});
    for (int i = 0; i < CALLS; i++)
        (void)start_call(&outcomes[i], 0);
    for (int i = 0; i < CALLS; i++) {
        wait_for(&outcomes[i]);
        ck_assert_int_eq(outcomes[i].result.kind, AWS_KIND_TRANSIENT);
        free(outcomes[i].body);
    }
    ck_assert_int_eq(g_server.request_count, CALLS + 35); /* 500 / 14 */
    tear_down();
}
END_TEST

/* ---- the network ---- */

START_TEST(broken_replies_are_retried)
{
    set_up_bare();
    struct aws_client_options options = plain_options();
    options.max_attempts = 4;
    make_client(&options);
    FAKE_SCRIPT(&g_server, {.act = FAKE_RESET}, {.act = FAKE_CUT, .status = 200, .body = "{\"half\":"},
                {.act = FAKE_CUT, .status = 200}, {.status = 200, .body = "{}"});
    do_call();
    ck_assert_int_eq(g_outcome.result.kind, AWS_KIND_OK);
    ck_assert_int_eq(g_outcome.result.attempts, 4);
    ck_assert_str_eq(g_outcome.body, "{}");
    tear_down();
}
END_TEST

START_TEST(a_reply_cut_short_is_told)
{
    set_up_bare();
    struct aws_client_options options = plain_options();
    options.max_attempts = 1;
    make_client(&options);
    FAKE_SCRIPT(&g_server, {.act = FAKE_CUT, .status = 200, .body = "{}"});
    expect_one_attempt(AWS_KIND_TRANSIENT, "ReplyCutShort");
    ck_assert_int_eq(g_outcome.result.http_status, 0);
    FAKE_SCRIPT(&g_server, {.act = FAKE_RESET});
    expect_one_attempt(AWS_KIND_TRANSIENT, "ConnectionLost");
    tear_down();
}
END_TEST

START_TEST(a_server_that_hangs_is_left_and_its_connection_too)
{
    set_up_bare();
    struct aws_client_options options = plain_options();
    options.reply_margin_ms = 200;
    make_client(&options);
    FAKE_SCRIPT(&g_server, {.status = 200, .body = "{}"});
    do_call(); /* the connection is there now, and a slow machine (valgrind) has warmed up */
    int before = g_server.requests[g_server.request_count - 1].connection;
    FAKE_SCRIPT(&g_server, {.act = FAKE_HANG}, {.status = 200, .body = "{}"});
    do_call();
    ck_assert_int_eq(g_outcome.result.kind, AWS_KIND_OK);
    ck_assert_int_ge(g_outcome.result.attempts, 2);
    ck_assert_int_eq(g_server.requests[0].connection, before);
    ck_assert_int_ne(g_server.requests[1].connection, before);
    tear_down();
}
END_TEST

START_TEST(the_timeout_grows_with_the_long_poll_in_real_time)
{
    set_up_bare();
    char setting[64];
    (void)snprintf(setting, sizeof setting, "20@%lld", (long long)clock_wall_ms());
    ck_assert_int_eq(clock_init_from(setting, NULL), 0);
    struct aws_client_options options = plain_options();
    options.reply_margin_ms = 30;
    options.max_attempts = 1;
    make_client(&options);
    FAKE_SCRIPT(&g_server, {.act = FAKE_HANG});
    (void)start_call(&g_outcome, 6000); /* 300 ms real */
    wait_for(&g_outcome);
    ck_assert_int_eq(g_outcome.result.kind, AWS_KIND_TRANSIENT);
    ck_assert_str_eq(g_outcome.result.code, "Timeout");
    ck_assert_int_ge(g_outcome.result.latency_ms, 329);
    ck_assert_int_lt(g_outcome.result.latency_ms, 6000); /* neither unscaled nor the default 10 s */
    tear_down();
}
END_TEST

START_TEST(a_port_that_nobody_listens_on_is_transient)
{
    char url[64];
    set_up_bare();
    (void)snprintf(url, sizeof url, "%s", g_server.url);
    fake_stop(&g_server);
    struct aws_client_options options = plain_options();
    options.endpoint_url = url;
    make_client(&options);
    do_call();
    ck_assert_int_eq(g_outcome.result.kind, AWS_KIND_TRANSIENT);
    ck_assert_str_eq(g_outcome.result.code, "ConnectFailed");
    ck_assert_int_eq(g_outcome.result.attempts, 3);
    ck_assert_int_eq(g_outcome.result.http_status, 0);
    fake_start(&g_server, g_base);
    tear_down();
}
END_TEST

START_TEST(a_reply_above_the_limit_is_refused)
{
    set_up();
    char *huge = xmalloc(HTTP_REPLY_BYTES_MAX + 2);
    memset(huge, 'x', HTTP_REPLY_BYTES_MAX + 1);
    huge[HTTP_REPLY_BYTES_MAX + 1] = '\0';
    struct fake_step step = {.status = 200, .body = huge};
    fake_script(&g_server, &step, 1);
    expect_one_attempt(AWS_KIND_BAD_REPLY, "ReplyTooLarge");
    free(huge);
    tear_down();
}
END_TEST

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

/* ---- ends ---- */

static struct outcome g_other;

static void cancel_other(void)
{
    aws_call_cancel(g_call);
    g_call = NULL;
}

START_TEST(a_call_is_cancelled_in_every_state)
{
    set_up_bare();
    struct aws_client_options options = plain_options();
    options.max_connections = 1;
    make_client(&options);
    FAKE_SCRIPT(&g_server, {.act = FAKE_HANG}, {.status = 200, .body = "{}"});
    struct outcome on_wire = {0};
    struct outcome queued = {0};
    struct aws_call *first = start_call(&on_wire, 0);
    struct aws_call *second = start_call(&queued, 0);
    struct outcome third = {0};
    (void)start_call(&third, 0);
    while (g_server.request_count == 0)
        (void)event_base_loop(g_base, EVLOOP_ONCE);
    aws_call_cancel(second);
    aws_call_cancel(first);
    aws_call_cancel(NULL);
    wait_for(&third); /* got the connection of the cancelled one */
    settle();
    ck_assert_int_eq(on_wire.calls, 0);
    ck_assert_int_eq(queued.calls, 0);
    ck_assert(on_wire.freed && queued.freed);
    ck_assert_int_eq(g_server.request_count, 2);
    ck_assert_int_eq(g_server.connection_count, 2);
    free(third.body);

    struct outcome refused = {0};
    struct aws_call *call = aws_client_refuse(g_client, "no", on_reply, &refused, on_free);
    aws_call_cancel(call);
    settle();
    ck_assert_int_eq(refused.calls, 0);
    ck_assert(refused.freed);
    tear_down();
}
END_TEST

START_TEST(a_callback_may_cancel_itself_and_others)
{
    set_up();
    FAKE_SCRIPT(&g_server, {.act = FAKE_HANG}, {.status = 200, .body = "{}"});
    g_other = (struct outcome){0};
    struct aws_call *hanging = start_call(&g_other, 0);
    while (g_server.request_count == 0)
        (void)event_base_loop(g_base, EVLOOP_ONCE);
    struct outcome trigger = {.then = cancel_other};
    (void)start_call(&trigger, 0);
    g_call = hanging;
    wait_for(&trigger);
    settle();
    ck_assert_int_eq(g_other.calls, 0);
    ck_assert(g_other.freed);
    free(trigger.body);

    struct outcome own = {.then = cancel_other}; /* its own handle: ignored */
    g_call = start_call(&own, 0);
    wait_for(&own);
    ck_assert(own.freed);
    free(own.body);
    tear_down();
}
END_TEST

static void destroy_client(void)
{
    aws_client_destroy(g_client);
    g_client = NULL;
}

START_TEST(a_callback_may_destroy_the_client)
{
    set_up();
    FAKE_SCRIPT(&g_server, {.act = FAKE_HANG}, {.status = 200, .body = "{}"});
    g_other = (struct outcome){0};
    (void)start_call(&g_other, 0);
    while (g_server.request_count == 0)
        (void)event_base_loop(g_base, EVLOOP_ONCE);
    struct outcome trigger = {.then = destroy_client};
    (void)start_call(&trigger, 0);
    wait_for(&trigger);
    settle();
    ck_assert(g_other.freed && g_other.calls == 0);
    ck_assert(trigger.freed);
    free(trigger.body);

    struct aws_client_options options = plain_options();
    make_client(&options);
    struct outcome refused = {.then = destroy_client}; /* from a timer, not from a reply */
    (void)aws_client_refuse(g_client, "no", on_reply, &refused, on_free);
    wait_for(&refused);
    ck_assert(refused.freed);
    free(refused.body);
    tear_down();
}
END_TEST

START_TEST(destroying_ends_calls_in_every_state)
{
    struct outcome outcomes[4] = {{0}};
    set_up_bare();
    struct aws_client_options options = plain_options();
    options.max_connections = 2;
    make_client(&options);
    FAKE_SCRIPT(&g_server, {.status = 503, .headers = "Retry-After: 4\r\n"}, {.act = FAKE_HANG});
    (void)start_call(&outcomes[0], 0);
    while (g_server.request_count == 0)
        (void)event_base_loop(g_base, EVLOOP_ONCE);
    settle(); /* the first one waits for its retry now */
    (void)start_call(&outcomes[1], 0);
    (void)start_call(&outcomes[2], 0);
    (void)start_call(&outcomes[3], 0);
    settle();
    destroy_client();
    settle();
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(outcomes[i].calls, 0);
        ck_assert(outcomes[i].freed);
    }
    tear_down();
}
END_TEST

START_TEST(a_refused_call_is_told_by_its_callback)
{
    set_up();
    (void)aws_client_refuse(g_client, "wait must be 0 to 20", on_reply, &g_outcome, on_free);
    ck_assert_int_eq(g_outcome.calls, 0);
    wait_for(&g_outcome);
    ck_assert_int_eq(g_outcome.result.kind, AWS_KIND_REQUEST);
    ck_assert_str_eq(g_outcome.result.message, "wait must be 0 to 20");
    ck_assert_int_eq(g_outcome.result.attempts, 0);
    tear_down();
}
END_TEST

static void refuse_client(const struct aws_client_options *options, const char *text)
{
    struct err err = {""};
    ck_assert_ptr_null(aws_client_new(options, &err));
    ck_assert_msg(strstr(err.text, text) != NULL, "%s", err.text);
}

START_TEST(bad_settings_make_no_client)
{
    set_up_bare();
    struct aws_client_options options = plain_options();
    options.region = NULL;
    refuse_client(&options, "no AWS region: set AWS_REGION");
    options.region = "US";
    refuse_client(&options, "region \"US\"");
    options.region = "us-west-2";
    options.endpoint_url = "localhost:1";
    refuse_client(&options, "URL localhost:1: want http:// or https://");
    options.endpoint_url = NULL;
    (void)setenv("AWS_ENDPOINT_URL_SQS", "x", 1);
    refuse_client(&options, "endpoint of sqs: URL x");
    options = plain_options();
    (void)setenv("AWS_MAX_ATTEMPTS", "0", 1);
    refuse_client(&options, "AWS_MAX_ATTEMPTS=0: want a number from 1 to 100");
    (void)setenv("AWS_MAX_ATTEMPTS", "3x", 1);
    refuse_client(&options, "AWS_MAX_ATTEMPTS=3x");
    tear_down();
}
END_TEST

UNIT_MAIN("client", what_is_sent_is_what_was_signed, one_connection_serves_call_after_call,
          no_more_requests_at_once_than_connections, a_proxy_is_not_asked_for_loopback,
          a_queue_url_decides_where_nothing_else_does, a_call_that_fails_twice_succeeds_the_third_time,
          a_call_that_always_fails_ends_after_its_attempts, a_403_of_throttling_is_retried_and_told_as_such,
          errors_of_the_request_are_not_retried, the_quota_of_all_calls_bounds_the_retries,
          broken_replies_are_retried, a_reply_cut_short_is_told,
          a_server_that_hangs_is_left_and_its_connection_too,
          the_timeout_grows_with_the_long_poll_in_real_time, a_port_that_nobody_listens_on_is_transient,
          a_reply_above_the_limit_is_refused, a_wrong_clock_is_corrected_and_the_call_repeated,
          a_small_difference_of_clocks_is_no_reason_to_repeat, a_cached_reply_says_nothing_about_the_clock,
          the_clock_is_also_learnt_from_good_replies, an_expired_signature_is_repeated_once,
          expired_credentials_are_looked_for_again_once, credentials_that_cannot_change_are_not_tried_again,
          without_credentials_nothing_is_sent, a_call_is_cancelled_in_every_state,
          a_callback_may_cancel_itself_and_others, a_callback_may_destroy_the_client,
          destroying_ends_calls_in_every_state, a_refused_call_is_told_by_its_callback,
          bad_settings_make_no_client)
