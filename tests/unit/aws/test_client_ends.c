/* The ways calls and clients end: cancelling, destroying, refusing. */
#include "tests/unit/aws/call_fixture.h"

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

UNIT_MAIN("client_ends", a_call_is_cancelled_in_every_state, a_callback_may_cancel_itself_and_others,
          a_callback_may_destroy_the_client, destroying_ends_calls_in_every_state,
          a_refused_call_is_told_by_its_callback, bad_settings_make_no_client)
