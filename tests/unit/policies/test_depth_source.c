/* Rules for a depth that SQS did not tell: it grows a fleet, and never shrinks it, whatever comes before or
 * after; and what workers say when nobody tells a depth. */
#include "tests/unit/policies/fleet.h"

enum { MINUTE_MS = 60000, CLOUDWATCH_MAX_AGE_MS = 360000 };

/* One poll later CloudWatch tells a depth that is `age_ms` old. */
static int64_t cloudwatch_poll(struct fleet *fleet, int64_t visible, int64_t age_ms)
{
    fleet->now_ms += FLEET_POLL_MS;
    fleet_sample(fleet, visible);
    fleet->obs.visible.at_ms = fleet->obs.in_flight.at_ms = fleet->now_ms - age_ms;
    reading_set(&fleet->obs.depth_source, DEPTH_SOURCE_CLOUDWATCH, fleet->now_ms);
    reading_set(&fleet->obs.depth_max_age_ms, CLOUDWATCH_MAX_AGE_MS, fleet->now_ms);
    return fleet_step(fleet);
}

static int64_t sqs_poll(struct fleet *fleet, int64_t visible)
{
    reading_set(&fleet->obs.depth_source, DEPTH_SOURCE_SQS, fleet->now_ms + FLEET_POLL_MS);
    fleet->obs.depth_max_age_ms.known = false;
    return fleet_poll(fleet, visible);
}

START_TEST(a_depth_of_cloudwatch_grows_the_fleet_although_it_is_minutes_old)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    struct strbuf text = STRBUF_INIT;
    ck_assert_int_eq(sqs_poll(&fleet, 0), 2);
    ck_assert_int_eq(cloudwatch_poll(&fleet, 412, 3 * MINUTE_MS), 25);
    ck_assert_why(&fleet, DECISION_WHY_POLICY);
    fleet_text(&fleet.last, &text);
    ck_assert_str_eq(strbuf_str(&text), "visible 412 > 200: to target 25 (by CloudWatch, 180 s old) (was 2)");
    ck_assert_int_eq(cloudwatch_poll(&fleet, 700, 3 * MINUTE_MS), 30);
    strbuf_clean_up(&text);
    fleet_close(&fleet);
}
END_TEST

START_TEST(the_same_point_is_acted_upon_once)
{
    struct fleet fleet = fleet_open(NULL, "{\"cooldown\":\"0s\"}");
    ck_assert_int_eq(cloudwatch_poll(&fleet, 30, 3 * MINUTE_MS), 4);
    ck_assert_int_eq(cloudwatch_poll(&fleet, 30, 3 * MINUTE_MS + FLEET_POLL_MS), 4);
    ck_assert_why(&fleet, DECISION_WHY_SAME_SAMPLE);
    ck_assert_int_eq(cloudwatch_poll(&fleet, 30, 3 * MINUTE_MS), 6);
    fleet_close(&fleet);
}
END_TEST

START_TEST(a_depth_of_cloudwatch_never_shrinks_the_fleet)
{
    struct fleet fleet = fleet_open(NULL, "{\"scale_in_after\":\"10s\",\"cooldown\":\"1s\"}");
    struct strbuf text = STRBUF_INIT;
    (void)controller_adopt(fleet.ctl, 30);
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(cloudwatch_poll(&fleet, 0, 2 * MINUTE_MS), 30);
        ck_assert_why(&fleet, DECISION_WHY_DEPTH_COARSE);
    }
    fleet_text(&fleet.last, &text);
    ck_assert_str_eq(strbuf_str(&text),
                     "hold at 30: visible 0 < 5 (by CloudWatch, 120 s old); a depth that is "
                     "minutes old grows a fleet, but never shrinks it");
    strbuf_clean_up(&text);
    fleet_close(&fleet);
}
END_TEST

/* Even with ages and gaps that are a sample's for SQS, and limits between which the controller alone decides.
 */
START_TEST(low_depths_of_cloudwatch_are_no_evidence_once_sqs_is_back)
{
    struct fleet fleet = fleet_open(NULL, "{\"scale_in_after\":\"60s\",\"cooldown\":\"1s\"}");
    (void)controller_adopt(fleet.ctl, 30);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(cloudwatch_poll(&fleet, 0, 0), 30);
    /* The low minute begins with what SQS says. */
    for (int i = 0; i < 12; i++)
        ck_assert_int_eq(sqs_poll(&fleet, 0), 30);
    ck_assert_int_eq(sqs_poll(&fleet, 0), 16);
    /* And a word of CloudWatch in between ends it. */
    ck_assert_int_eq(cloudwatch_poll(&fleet, 0, 0), 16);
    for (int i = 0; i < 12; i++)
        ck_assert_int_eq(sqs_poll(&fleet, 0), 16);
    ck_assert_int_eq(sqs_poll(&fleet, 0), 9);
    fleet_close(&fleet);
}
END_TEST

START_TEST(a_depth_of_cloudwatch_beyond_its_own_age_is_stale)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    ck_assert_int_eq(cloudwatch_poll(&fleet, 700, CLOUDWATCH_MAX_AGE_MS + 1), 2);
    ck_assert_why(&fleet, DECISION_WHY_VISIBLE_STALE);
    ck_assert_int_eq(cloudwatch_poll(&fleet, 700, CLOUDWATCH_MAX_AGE_MS), 30);
    fleet_close(&fleet);
}
END_TEST

START_TEST(the_age_that_cloudwatch_may_have_is_not_granted_to_sqs)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    fleet_sample(&fleet, 700);
    fleet.obs.visible.at_ms -= MINUTE_MS;
    reading_set(&fleet.obs.depth_source, DEPTH_SOURCE_SQS, fleet.now_ms);
    reading_set(&fleet.obs.depth_max_age_ms, CLOUDWATCH_MAX_AGE_MS, fleet.now_ms);
    ck_assert_int_eq(fleet_step(&fleet), 2);
    ck_assert_why(&fleet, DECISION_WHY_VISIBLE_STALE);
    fleet_close(&fleet);
}
END_TEST

/* A code of a later version is no licence to shrink. */
START_TEST(an_unknown_source_does_not_shrink)
{
    struct fleet fleet = fleet_open(NULL, "{\"scale_in_after\":\"0s\",\"cooldown\":\"0s\"}");
    (void)controller_adopt(fleet.ctl, 30);
    for (int i = 0; i < 20; i++) {
        fleet.now_ms += FLEET_POLL_MS;
        fleet_sample(&fleet, 0);
        reading_set(&fleet.obs.depth_source, 99, fleet.now_ms);
        ck_assert_int_eq(fleet_step(&fleet), 30);
    }
    fleet_close(&fleet);
}
END_TEST

static int64_t hint_poll(struct fleet *fleet, enum queue_hint hint)
{
    fleet->now_ms += FLEET_POLL_MS;
    fleet->obs.visible.known = false;
    reading_set(&fleet->obs.depth_source, DEPTH_SOURCE_WORKERS, fleet->now_ms);
    reading_set(&fleet->obs.depth_max_age_ms, MINUTE_MS, fleet->now_ms);
    reading_set(&fleet->obs.queue_hint, hint, fleet->now_ms);
    return fleet_step(fleet);
}

START_TEST(workers_that_find_nothing_put_the_fallback_off_and_others_do_not)
{
    struct fleet fleet = fleet_open(NULL, "{\"fallback\":\"target\",\"fallback_after\":\"1m\"}");
    struct strbuf text = STRBUF_INIT;
    ck_assert_int_eq(sqs_poll(&fleet, 10), 2);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(hint_poll(&fleet, QUEUE_HINT_EMPTY), 2);
    ck_assert_why(&fleet, DECISION_WHY_QUEUE_EMPTY);
    fleet_text(&fleet.last, &text);
    ck_assert_str_eq(strbuf_str(&text), "hold at 2: depth unknown; the workers find it empty");
    ck_assert_int_eq(hint_poll(&fleet, QUEUE_HINT_MORE), 25);
    ck_assert_why(&fleet, DECISION_WHY_FALLBACK);
    strbuf_clean_up(&text);
    fleet_close(&fleet);
}
END_TEST

START_TEST(an_old_hint_puts_nothing_off)
{
    struct fleet fleet = fleet_open(NULL, "{\"fallback\":\"target\",\"fallback_after\":\"1m\"}");
    ck_assert_int_eq(sqs_poll(&fleet, 10), 2);
    ck_assert_int_eq(hint_poll(&fleet, QUEUE_HINT_EMPTY), 2);
    fleet.now_ms += MINUTE_MS + 1;
    ck_assert_int_eq(fleet_step(&fleet), 25);
    fleet_close(&fleet);
}
END_TEST

UNIT_MAIN("depth_source", a_depth_of_cloudwatch_grows_the_fleet_although_it_is_minutes_old,
          the_same_point_is_acted_upon_once, a_depth_of_cloudwatch_never_shrinks_the_fleet,
          low_depths_of_cloudwatch_are_no_evidence_once_sqs_is_back,
          a_depth_of_cloudwatch_beyond_its_own_age_is_stale,
          the_age_that_cloudwatch_may_have_is_not_granted_to_sqs, an_unknown_source_does_not_shrink,
          workers_that_find_nothing_put_the_fallback_off_and_others_do_not, an_old_hint_puts_nothing_off)
