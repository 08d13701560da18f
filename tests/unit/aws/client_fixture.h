/*
 * A client, its loop and a scripted server, shared by the tests of the client. Static functions and
 * variables: every unit test is one source file and uses what it needs.
 */
#ifndef SLUICE_TESTS_UNIT_AWS_CLIENT_FIXTURE_H
#define SLUICE_TESTS_UNIT_AWS_CLIENT_FIXTURE_H

#include "aws/client.h"
#include "base/clock.h"
#include "tests/unit/aws/fake_server.h"
#include "tests/unit/unit.h"

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
    (void)setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    (void)setenv("AWS_CONFIG_FILE", "/nonexistent", 1);
    (void)setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent", 1);
}

static inline struct aws_client_options plain_options(void)
{
    return (struct aws_client_options){.base = g_base,
                                       .region = "us-west-2",
                                       .endpoint_url = g_server.url,
                                       .credentials = g_provider,
                                       .seed = QUICK_SEED};
}

static inline void make_client(const struct aws_client_options *options)
{
    struct err err = {""};
    g_client = aws_client_new(options, &err);
    ck_assert_msg(g_client != NULL, "%s", err.text);
}

/* Loop and server without a client. */
static inline void set_up_bare(void)
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

static inline void set_up(void)
{
    set_up_bare();
    struct aws_client_options options = plain_options();
    make_client(&options);
}

static inline void tear_down(void)
{
    aws_client_destroy(g_client);
    aws_credentials_provider_destroy(g_provider);
    fake_stop(&g_server);
    event_base_free(g_base);
    free(g_outcome.body);
}

static inline struct aws_call *start_call(struct outcome *outcome, int64_t poll_product_ms)
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

static inline void wait_for(const struct outcome *outcome)
{
    while (outcome->calls == 0)
        ck_assert_int_eq(event_base_loop(g_base, EVLOOP_ONCE), 0);
}

/* Turns the loop while something is immediately ready. */
static inline void settle(void)
{
    for (int i = 0; i < 20; i++)
        (void)event_base_loop(g_base, EVLOOP_NONBLOCK);
}

static inline void do_call(void)
{
    free(g_outcome.body);
    g_outcome = (struct outcome){.then = g_outcome.then};
    g_call = start_call(&g_outcome, 0);
    ck_assert_int_eq(g_outcome.calls, 0); /* never from within */
    wait_for(&g_outcome);
    ck_assert_int_eq(g_outcome.calls, 1);
    ck_assert(g_outcome.freed);
}

static inline void expect_one_attempt(enum aws_kind kind, const char *code)
{
    do_call();
    ck_assert_int_eq(g_outcome.result.kind, kind);
    ck_assert_str_eq(g_outcome.result.code, code);
    ck_assert_int_eq(g_server.request_count, 1);
}

#endif
