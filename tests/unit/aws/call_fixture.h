/* Calls of a client and what became of them, shared by the tests of the client itself. */
#ifndef SLUICE_TESTS_UNIT_AWS_CALL_FIXTURE_H
#define SLUICE_TESTS_UNIT_AWS_CALL_FIXTURE_H

#include "tests/unit/aws/client_fixture.h"

struct outcome {
    int calls;
    struct aws_result result;
    char *body;
    void (*then)(void); /* runs inside the callback */
    bool freed;
};

static struct outcome g_outcome;
static struct aws_call *g_call;

static inline void set_up(void)
{
    set_up_client(0);
}

static inline void tear_down(void)
{
    tear_down_client();
    free(g_outcome.body);
    g_outcome = (struct outcome){0};
}

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
