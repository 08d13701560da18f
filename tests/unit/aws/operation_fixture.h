/*
 * One call of an AWS API at a time, of a client that makes one attempt, and what its callback told. Shared by
 * the tests of the APIs; the callbacks differ and are theirs.
 */
#ifndef SLUICE_TESTS_UNIT_AWS_OPERATION_FIXTURE_H
#define SLUICE_TESTS_UNIT_AWS_OPERATION_FIXTURE_H

#include "base/strbuf.h"
#include "tests/unit/aws/client_fixture.h"

static struct fake_step g_step; /* what the server answers */

/* What the last callback told. */
static int g_calls; /* how often it came since reply_with() */
static struct aws_result g_result;
static struct strbuf g_told = STRBUF_INIT; /* a reply as one line of text that tests compare */

static inline void set_up(void)
{
    set_up_client(1);
}

static inline void tear_down(void)
{
    tear_down_client();
    strbuf_clean_up(&g_told);
}

/* For a callback to begin with. */
static inline void told(const struct aws_result *result)
{
    g_calls++;
    g_result = *result;
    strbuf_clear(&g_told);
}

static inline void reply_with(int status, const char *body)
{
    g_step = (struct fake_step){.status = status, .body = body};
    fake_script(&g_server, &g_step, 1);
    g_calls = 0;
}

/* Waits for the callback of the call just started, which must come once and never from within the call. */
static inline void wait_for_reply(void)
{
    ck_assert_int_eq(g_calls, 0);
    while (g_calls == 0)
        ck_assert_int_eq(event_base_loop(g_base, EVLOOP_ONCE), 0);
    ck_assert_int_eq(g_calls, 1);
}

#endif
