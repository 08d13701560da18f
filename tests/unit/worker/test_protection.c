/* When task protection is asked for and given back, in invented time; what the agent's replies mean. */
#include "tests/unit/unit.h"

#include "worker/protection.h"

#include <stdio.h>

enum { MINUTES = 6, EXPIRY_MS = MINUTES * 60000 };

static struct protection p;

/* Lets time pass and answers every call; returns how many of `ask` were sent, and never lets two be on the
 * wire. */
static int run(int64_t from_ms, int64_t to_ms, enum protection_ask ask, enum protection_outcome outcome)
{
    int count = 0;
    for (int64_t now_ms = from_ms; now_ms < to_ms;) {
        enum protection_ask sent = protection_next(&p, now_ms);
        if (sent != PROTECTION_NOTHING) {
            ck_assert_int_eq(protection_next(&p, now_ms), PROTECTION_NOTHING);
            ck_assert_int_eq(protection_due_ms(&p, now_ms), INT64_MAX);
            protection_on_reply(&p, outcome, now_ms);
            count += sent == ask;
            continue;
        }
        int64_t due_ms = protection_due_ms(&p, now_ms);
        ck_assert_int_gt(due_ms, now_ms); /* no busy loop */
        now_ms = due_ms;
    }
    return count;
}

static void start(void)
{
    protection_init(&p, MINUTES, 0);
}

START_TEST(short_work_is_not_protected)
{
    start();
    for (int64_t now_ms = 0; now_ms < 100000; now_ms += 2000) {
        protection_set_busy(&p, true, now_ms);
        ck_assert_int_eq(run(now_ms, now_ms + PROTECTION_SETTLE_MS - 1, PROTECTION_PROTECT, PROTECTION_DONE),
                         0);
        protection_set_busy(&p, false, now_ms + PROTECTION_SETTLE_MS - 1);
        ck_assert_int_eq(protection_due_ms(&p, now_ms), INT64_MAX);
    }
}
END_TEST

START_TEST(work_that_lasts_is_protected_once_and_renewed_well_before_the_end)
{
    start();
    protection_set_busy(&p, true, 1000);
    ck_assert_int_eq(protection_due_ms(&p, 1000), 1000 + PROTECTION_SETTLE_MS);
    ck_assert_int_eq(run(1000, 2001, PROTECTION_PROTECT, PROTECTION_DONE), 1);
    ck_assert(protection_is_on(&p, 2001));
    ck_assert_int_eq(run(2001, 2000 + EXPIRY_MS / 2, PROTECTION_PROTECT, PROTECTION_DONE), 0);
    ck_assert_int_eq(run(2000 + EXPIRY_MS / 2, 2000 + EXPIRY_MS * 10, PROTECTION_PROTECT, PROTECTION_DONE),
                     19); /* every half */
    ck_assert(protection_is_on(&p, 2000 + EXPIRY_MS * 10));
}
END_TEST

START_TEST(it_is_given_back_when_idle_but_not_before_the_least_hold)
{
    start();
    protection_set_busy(&p, true, 0);
    ck_assert_int_eq(run(0, 1001, PROTECTION_PROTECT, PROTECTION_DONE), 1);
    protection_set_busy(&p, false, 1500);
    ck_assert_int_eq(protection_due_ms(&p, 1500), PROTECTION_SETTLE_MS + PROTECTION_HOLD_MS);
    /* Held long: only the linger counts, and an edge starts it anew. */
    protection_set_busy(&p, true, 2000);
    ck_assert_int_eq(run(2000, 50000, PROTECTION_PROTECT, PROTECTION_DONE), 0);
    protection_set_busy(&p, false, 50000);
    ck_assert_int_eq(run(50000, 50000 + PROTECTION_LINGER_MS - 1, PROTECTION_RELEASE, PROTECTION_DONE), 0);
    protection_set_busy(&p, true, 54000);
    protection_set_busy(&p, false, 54001);
    ck_assert_int_eq(run(54001, 54001 + PROTECTION_LINGER_MS, PROTECTION_RELEASE, PROTECTION_DONE), 0);
    ck_assert_int_eq(run(54001 + PROTECTION_LINGER_MS, 100000, PROTECTION_RELEASE, PROTECTION_DONE), 1);
    ck_assert(!protection_is_on(&p, 100000));
    ck_assert_int_eq(protection_due_ms(&p, 100000), INT64_MAX);
}
END_TEST

START_TEST(flapping_work_costs_at_most_two_calls_a_hold)
{
    int calls = 0;
    start();
    for (int64_t now_ms = 0; now_ms < 3600000; now_ms += 9000) { /* 3 s busy, 6 s idle */
        protection_set_busy(&p, true, now_ms);
        calls += run(now_ms, now_ms + 3000, PROTECTION_PROTECT, PROTECTION_DONE);
        protection_set_busy(&p, false, now_ms + 3000);
        calls += run(now_ms + 3000, now_ms + 9000, PROTECTION_RELEASE, PROTECTION_DONE);
    }
    ck_assert_int_ge(calls, 100);
    ck_assert_int_le(calls, 2 * 3600000 / PROTECTION_HOLD_MS);
}
END_TEST

START_TEST(a_call_is_tried_twice_and_misses_wait_longer_and_longer)
{
    static const int64_t PAUSES_MS[] = {30000, 60000, 120000, 240000, 300000, 300000};
    int64_t now_ms = PROTECTION_SETTLE_MS;
    start();
    protection_set_busy(&p, true, 0);
    for (size_t i = 0; i < sizeof PAUSES_MS / sizeof *PAUSES_MS; i++) {
        ck_assert_int_eq(protection_next(&p, now_ms), PROTECTION_PROTECT);
        protection_on_reply(&p, PROTECTION_FAILED, now_ms);
        ck_assert_int_eq(protection_due_ms(&p, now_ms), now_ms + PROTECTION_AGAIN_MS);
        now_ms += PROTECTION_AGAIN_MS;
        ck_assert_int_eq(protection_next(&p, now_ms), PROTECTION_PROTECT);
        protection_on_reply(&p, PROTECTION_FAILED, now_ms);
        ck_assert_int_eq(p.misses, (int)i + 1);
        ck_assert_int_eq(protection_due_ms(&p, now_ms), now_ms + PAUSES_MS[i]);
        /* Edges do not shorten the pause. */
        protection_set_busy(&p, false, now_ms + 1);
        protection_set_busy(&p, true, now_ms + 2);
        now_ms += PAUSES_MS[i];
        ck_assert_int_eq(protection_next(&p, now_ms - 1), PROTECTION_NOTHING);
    }
    ck_assert_int_eq(protection_next(&p, now_ms), PROTECTION_PROTECT);
    protection_on_reply(&p, PROTECTION_DONE, now_ms);
    ck_assert_int_eq(p.misses, 0);
    ck_assert_int_eq(p.failures, 12);
    ck_assert(protection_is_on(&p, now_ms));
}
END_TEST

START_TEST(a_deployment_that_blocks_is_unprotected_and_asked_again_later)
{
    start();
    protection_set_busy(&p, true, 0);
    ck_assert_int_eq(run(0, 30000, PROTECTION_PROTECT, PROTECTION_REFUSED), 1); /* no second try */
    ck_assert_int_eq(p.refusals, 1);
    ck_assert_int_eq(p.failures, 0);
    ck_assert(!protection_is_on(&p, 30000));
    ck_assert_int_eq(run(31000, 31001, PROTECTION_PROTECT, PROTECTION_DONE), 1);
    ck_assert(protection_is_on(&p, 31001));
    /* Refused at the renewal: not counted on any more, yet given back. */
    int64_t renew_ms = 31000 + EXPIRY_MS / 2;
    ck_assert_int_eq(run(31001, renew_ms + 1, PROTECTION_PROTECT, PROTECTION_REFUSED), 1);
    ck_assert(!protection_is_on(&p, renew_ms + 1));
    protection_set_busy(&p, false, renew_ms + 2);
    ck_assert_int_eq(run(renew_ms + 2, renew_ms + 100000, PROTECTION_RELEASE, PROTECTION_DONE), 1);
}
END_TEST

START_TEST(a_denied_call_is_not_tried_twice)
{
    start();
    protection_set_busy(&p, true, 0);
    ck_assert_int_eq(run(0, 30000, PROTECTION_PROTECT, PROTECTION_DENIED), 1);
    ck_assert_int_eq(p.failures, 1);
    protection_set_busy(&p, false, 30000);
    ck_assert_int_eq(protection_due_ms(&p, 30000), INT64_MAX); /* nothing to give back */
}
END_TEST

START_TEST(what_may_have_worked_is_given_back)
{
    start();
    protection_set_busy(&p, true, 0);
    ck_assert_int_eq(run(0, 5000, PROTECTION_PROTECT, PROTECTION_FAILED), 2);
    ck_assert(!protection_is_on(&p, 5000));
    protection_set_busy(&p, false, 5000);
    ck_assert_int_eq(run(5000, 60000, PROTECTION_RELEASE, PROTECTION_DONE), 1);
}
END_TEST

START_TEST(a_renewal_that_fails_is_tried_again_and_ends_by_itself)
{
    start();
    protection_set_busy(&p, true, 0);
    ck_assert_int_eq(run(0, 1001, PROTECTION_PROTECT, PROTECTION_DONE), 1);
    /* Three rounds of two tries fit into the half that is left: 30, 60, then 120 s between them. */
    ck_assert_int_eq(run(1001, PROTECTION_SETTLE_MS + EXPIRY_MS - 1, PROTECTION_PROTECT, PROTECTION_FAILED),
                     6);
    ck_assert(protection_is_on(&p, PROTECTION_SETTLE_MS + EXPIRY_MS - 1));
    ck_assert(!protection_is_on(&p, PROTECTION_SETTLE_MS + EXPIRY_MS));
}
END_TEST

START_TEST(an_unreleased_protection_is_forgotten_when_it_has_ended)
{
    start();
    protection_set_busy(&p, true, 0);
    ck_assert_int_eq(run(0, 1001, PROTECTION_PROTECT, PROTECTION_DONE), 1);
    protection_set_busy(&p, false, 2000);
    int64_t over_ms = PROTECTION_SETTLE_MS + EXPIRY_MS;
    int calls = 0;
    for (int64_t now_ms = 2000; now_ms < over_ms + 1000000; now_ms += 100) {
        if (protection_next(&p, now_ms) == PROTECTION_NOTHING)
            continue;
        ck_assert_int_lt(now_ms, over_ms);
        protection_on_reply(&p, PROTECTION_FAILED, now_ms);
        calls++;
    }
    ck_assert_int_ge(calls, 4);
}
END_TEST

START_TEST(what_may_have_been_given_back_is_not_counted_on)
{
    start();
    protection_set_busy(&p, true, 0);
    ck_assert_int_eq(run(0, 1001, PROTECTION_PROTECT, PROTECTION_DONE), 1);
    protection_set_busy(&p, false, 2000);
    /* One of the two tries, its answer lost: ECS may have done it. */
    int64_t now_ms = protection_due_ms(&p, 2000);
    ck_assert_int_eq(protection_next(&p, now_ms), PROTECTION_RELEASE);
    protection_set_busy(&p, true, now_ms);
    protection_on_reply(&p, PROTECTION_FAILED, now_ms);
    ck_assert(!protection_is_on(&p, now_ms));
    ck_assert_int_eq(protection_due_ms(&p, now_ms), now_ms + PROTECTION_SETTLE_MS);
    ck_assert_int_eq(run(now_ms, now_ms + 1001, PROTECTION_PROTECT, PROTECTION_DONE), 1);
    ck_assert(protection_is_on(&p, now_ms + 1001));
}
END_TEST

START_TEST(draining_asks_for_nothing_new_and_keeps_what_there_is)
{
    start();
    protection_set_busy(&p, true, 0);
    protection_drain(&p);
    ck_assert_int_eq(protection_due_ms(&p, 0), INT64_MAX);
    ck_assert(!protection_end(&p, 5000)); /* nothing to release: the end is not held up */
    start();
    protection_set_busy(&p, true, 0);
    ck_assert_int_eq(run(0, 1001, PROTECTION_PROTECT, PROTECTION_DONE), 1);
    protection_drain(&p);
    ck_assert_int_eq(run(1001, EXPIRY_MS * 3, PROTECTION_PROTECT, PROTECTION_DONE), 5);
    ck_assert(protection_end(&p, EXPIRY_MS * 3));
    ck_assert_int_eq(p.asked, PROTECTION_RELEASE);
}
END_TEST

START_TEST(the_end_releases_what_is_being_asked_for)
{
    start();
    protection_set_busy(&p, true, 0);
    ck_assert_int_eq(protection_next(&p, 1000), PROTECTION_PROTECT);
    ck_assert(protection_end(&p, 1100));
    start();
    protection_set_busy(&p, true, 0);
    ck_assert_int_eq(run(0, 1001, PROTECTION_PROTECT, PROTECTION_DONE), 1);
    protection_set_busy(&p, false, 2000);
    ck_assert(protection_end(&p, 2001)); /* the least hold is over with the task */
}
END_TEST

START_TEST(minutes_cover_the_longest_silence_and_a_margin)
{
    ck_assert_int_eq(protection_minutes(30000, 30000), 6);
    ck_assert_int_eq(protection_minutes(60000, 120000), 7);
    ck_assert_int_eq(protection_minutes(60001, 0), 7);
    ck_assert_int_eq(protection_minutes(43200000, 43200000), 725);
    ck_assert_int_eq(protection_minutes(INT64_C(1) << 40, 0), PROTECTION_MINUTES_MAX);
}
END_TEST

START_TEST(replies_of_the_agent_are_understood)
{
#define PROTECTED "\"ExpirationDate\":\"2022-10-06T02:29:16Z\",\"ProtectionEnabled\":true,\"TaskArn\":\"arn\""
    static const struct {
        int status;
        const char *body;
        bool wanted;
        enum protection_outcome outcome;
        const char *reason;
    } REPLIES[] = {
        {200, "{\"protection\":{" PROTECTED "}}", true, PROTECTION_DONE, "HTTP 200"},
        {200, "{\"protection\":{\"ExpirationDate\":null,\"ProtectionEnabled\":false,\"TaskArn\":\"a\"}}",
         false, PROTECTION_DONE, "HTTP 200"},
        {200, "{\"protection\":{\"ProtectionEnabled\":false}}", true, PROTECTION_FAILED,
         "the reply does not say so"},
        {200,
         "{\"failure\":{\"Arn\":\"a\",\"Detail\":\"d\",\"Reason\":\"DEPLOYMENT_BLOCKED\"},\"protection\":"
         "null}",
         true, PROTECTION_REFUSED, "DEPLOYMENT_BLOCKED"},
        {200, "{\"protection\":{" PROTECTED "},\"failure\":{\"Reason\":\"TASK_NOT_VALID\"}}", true,
         PROTECTION_REFUSED, "TASK_NOT_VALID"},
        {200, "{\"failure\":null,\"protection\":{" PROTECTED "}}", true, PROTECTION_DONE, "HTTP 200"},
        {200, "{\"protection\":{" PROTECTED "}", true, PROTECTION_FAILED, "the reply does not say so"},
        {200, "", true, PROTECTION_FAILED, "the reply does not say so"},
        {200, "[]", true, PROTECTION_FAILED, "the reply does not say so"},
        {200, "{\"failure\":{\"Reason\":7}}", true, PROTECTION_REFUSED, "HTTP 200"},
        {400, "{\"requestID\":\"r\",\"error\":{\"Arn\":\"a\",\"Code\":\"AccessDeniedException\"}}", true,
         PROTECTION_DENIED, "AccessDeniedException"},
        {400, "<html>", true, PROTECTION_DENIED, "HTTP 400"},
        {404, "", true, PROTECTION_DENIED, "HTTP 404"},
        {429, "{\"error\":{\"Code\":\"ThrottlingException\"}}", true, PROTECTION_FAILED,
         "ThrottlingException"},
        {500, "", true, PROTECTION_FAILED, "HTTP 500"},
        {504, "{\"error\":{\"Code\":\"RequestCanceled\"}}", true, PROTECTION_FAILED, "RequestCanceled"},
    };
    for (size_t i = 0; i < sizeof REPLIES / sizeof *REPLIES; i++) {
        char reason[64];
        char body[256];
        (void)snprintf(body, sizeof body, "%s", REPLIES[i].body);
        enum protection_outcome outcome = protection_read_reply(REPLIES[i].status, body, strlen(body),
                                                                REPLIES[i].wanted, reason, sizeof reason);
        ck_assert_msg(outcome == REPLIES[i].outcome, "%s: %d", REPLIES[i].body, (int)outcome);
        ck_assert_str_eq(reason, REPLIES[i].reason);
    }
}
END_TEST

UNIT_MAIN("protection", short_work_is_not_protected,
          work_that_lasts_is_protected_once_and_renewed_well_before_the_end,
          it_is_given_back_when_idle_but_not_before_the_least_hold,
          flapping_work_costs_at_most_two_calls_a_hold,
          a_call_is_tried_twice_and_misses_wait_longer_and_longer,
          a_deployment_that_blocks_is_unprotected_and_asked_again_later, a_denied_call_is_not_tried_twice,
          what_may_have_worked_is_given_back, a_renewal_that_fails_is_tried_again_and_ends_by_itself,
          an_unreleased_protection_is_forgotten_when_it_has_ended,
          what_may_have_been_given_back_is_not_counted_on,
          draining_asks_for_nothing_new_and_keeps_what_there_is, the_end_releases_what_is_being_asked_for,
          minutes_cover_the_longest_silence_and_a_margin, replies_of_the_agent_are_understood)
