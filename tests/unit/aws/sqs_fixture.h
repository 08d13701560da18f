/* The queue that test_sqs*.c use, and the end of a call to it. */
#ifndef SLUICE_TESTS_UNIT_AWS_SQS_FIXTURE_H
#define SLUICE_TESTS_UNIT_AWS_SQS_FIXTURE_H

#include "tests/unit/aws/operation_fixture.h"

static const char QUEUE[] = "http://127.0.0.1/000000000000/orders";

/* Waits for the callback of the call just started; `want` is the body that must have been sent, NULL: any. */
static inline void finish(const char *target, const char *want)
{
    wait_for_reply();
    if (target != NULL)
        ck_assert_str_eq(fake_header(&g_server, 0, "X-Amz-Target"), target);
    if (want != NULL)
        ck_assert_str_eq(g_server.requests[0].body, want);
}

#endif
