/* The client against a scripted server: signatures as sent, connections, retries, trouble of the network. */
#include "aws/http.h"
#include "aws/sigv4.h"
#include "base/version.h"
#include "tests/unit/aws/call_fixture.h"

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
    ck_assert_str_eq(fake_header(&g_server, 0, "Accept"), "");
    ck_assert_str_eq(fake_header(&g_server, 0, "User-Agent"), "sluice/" SLUICE_VERSION);
    const char *host = strcasestr(g_server.requests[0].head, "\r\nHost:");
    ck_assert_ptr_null(strcasestr(host + 1, "\r\nHost:"));

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

/* The loop watches a kept connection; a new one may get the number of its descriptor. */
START_TEST(a_connection_that_the_server_closes_between_calls_is_replaced)
{
    set_up();
    FAKE_SCRIPT(&g_server, {.status = 200, .body = "{}"});
    for (int i = 1; i <= 6; i++) {
        do_call();
        ck_assert_int_eq(g_outcome.result.kind, AWS_KIND_OK);
        ck_assert_int_eq(g_outcome.result.attempts, 1);
        ck_assert_int_eq(g_server.connection_count, i);
        while (!LIST_EMPTY(&g_server.connections))
            fake_close(LIST_FIRST(&g_server.connections));
        for (int turn = 0; turn < i % 3; turn++) /* also when the loop has not seen it yet */
            (void)event_base_loop(g_base, EVLOOP_NONBLOCK);
    }
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

START_TEST(errors_of_the_request_are_not_retried)
{
    set_up();
    FAKE_SCRIPT(&g_server, {.status = 400, .body = "{\"__type\":\"x#InvalidParameterValueException\"}"});
    expect_one_attempt(AWS_KIND_REQUEST, "InvalidParameterValueException");
    FAKE_SCRIPT(&g_server, {.status = 403, .body = "{\"__type\":\"x#OverLimit\"}"});
    expect_one_attempt(AWS_KIND_THROTTLED, "OverLimit");
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
    set_up_bare();
    struct aws_client_options options = plain_options();
    options.reply_margin_ms = 300000; /* 64 MiB take their time under valgrind */
    make_client(&options);
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

START_TEST(a_large_body_goes_without_asking_first)
{
    set_up();
    size_t len = 2 << 20;
    char *body = xcalloc(1, len);
    memset(body, ' ', len);
    struct aws_json_call call = {.service = "sqs",
                                 .target = "AmazonSQS.Test",
                                 .content_type = "application/x-amz-json-1.0",
                                 .body = body,
                                 .body_len = len};
    FAKE_SCRIPT(&g_server, {.status = 200, .body = "{}"});
    (void)aws_client_call_json(g_client, &call, on_reply, &g_outcome, on_free);
    free(body);
    wait_for(&g_outcome);
    ck_assert_int_eq(g_outcome.result.kind, AWS_KIND_OK);
    ck_assert_str_eq(fake_header(&g_server, 0, "Expect"), "");
    tear_down();
}
END_TEST

UNIT_MAIN("client", what_is_sent_is_what_was_signed, one_connection_serves_call_after_call,
          a_connection_that_the_server_closes_between_calls_is_replaced,
          no_more_requests_at_once_than_connections, a_proxy_is_not_asked_for_loopback,
          a_queue_url_decides_where_nothing_else_does, a_call_that_fails_twice_succeeds_the_third_time,
          a_call_that_always_fails_ends_after_its_attempts, a_403_of_throttling_is_retried_and_told_as_such,
          errors_of_the_request_are_not_retried, the_quota_of_all_calls_bounds_the_retries,
          broken_replies_are_retried, a_reply_cut_short_is_told,
          a_server_that_hangs_is_left_and_its_connection_too,
          the_timeout_grows_with_the_long_poll_in_real_time, a_port_that_nobody_listens_on_is_transient,
          a_reply_above_the_limit_is_refused, a_large_body_goes_without_asking_first)
