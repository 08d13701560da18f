/* What must hold whatever the policy says: freshness, fallback, one sample, the busy floor, and a restless
 * clock. */
#include "tests/unit/policies/fleet.h"

/* A fleet of 30 whose first shrink is due at the next poll. */
static struct fleet almost_shrinking(const char *policy)
{
    struct fleet fleet = fleet_open(NULL, policy);
    (void)controller_adopt(fleet.ctl, 30);
    (void)fleet_see(&fleet, 0);
    ck_assert_int_eq(fleet_poll_for(&fleet, 0, 295000), 30);
    return fleet;
}

/* ---- unknown and stale ---- */

START_TEST(unknown_or_stale_depth_holds)
{
    static const struct {
        bool known;
        int64_t value, age_ms, to;
        enum decision_why why;
    } CASES[] = {
        /* due to shrink */
        {true, 0, 0, 16, DECISION_WHY_POLICY},
        {true, 0, 4000, 16, DECISION_WHY_POLICY},
        {false, 0, 0, 30, DECISION_WHY_VISIBLE_UNKNOWN},
        {true, 0, 15001, 30, DECISION_WHY_VISIBLE_STALE},
        {true, 0, -1, 30, DECISION_WHY_VISIBLE_STALE},
        {true, -1, 0, 30, DECISION_WHY_VISIBLE_STALE},
        {true, 0, INT64_MAX, 30, DECISION_WHY_VISIBLE_STALE},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct fleet fleet = almost_shrinking(NULL);
        fleet.now_ms += 2 * FLEET_POLL_MS;
        fleet_sample(&fleet, CASES[i].value);
        fleet.obs.visible.known = CASES[i].known;
        fleet.obs.visible.at_ms = fleet.now_ms - CASES[i].age_ms;
        int64_t to = fleet_step(&fleet);
        ck_assert_msg(to == CASES[i].to && fleet.last.why == CASES[i].why, "case %zu: %lld, %s", i,
                      (long long)to, decision_why_name(fleet.last.why));
        fleet_close(&fleet);
    }
}
END_TEST

START_TEST(unknown_or_stale_depth_does_not_grow_either)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    fleet_sample(&fleet, 5000);
    fleet.now_ms += 15001;
    ck_assert_int_eq(fleet_step(&fleet), 2);
    ck_assert_why(&fleet, DECISION_WHY_VISIBLE_STALE);
    fleet.obs.visible.known = false;
    ck_assert_int_eq(fleet_step(&fleet), 2);
    ck_assert_why(&fleet, DECISION_WHY_VISIBLE_UNKNOWN);
    fleet_close(&fleet);
}
END_TEST

START_TEST(a_sample_of_stale_after_is_still_believed)
{
    struct fleet fleet = fleet_open(NULL, "{\"stale_after\":\"7s\"}");
    fleet_sample(&fleet, 5000);
    fleet.now_ms += 7000;
    ck_assert_int_eq(fleet_step(&fleet), 30);
    ck_assert_int_eq(fleet.last.timers.stale_after_ms, 0);
    fleet_close(&fleet);
}
END_TEST

/* A worker may say nothing of itself at all; the depth alone decides, and unknown is not zero anywhere. */
START_TEST(unknown_workers_do_not_stop_growth)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    reading_set(&fleet.obs.visible, 700, fleet.now_ms);
    ck_assert_int_eq(fleet_step(&fleet), 30);
    fleet_close(&fleet);
}
END_TEST

/* ---- fallback ---- */

static int64_t silent_for(struct fleet *fleet, int64_t ms)
{
    int64_t to = controller_desired(fleet->ctl);
    observation_init(&fleet->obs);
    for (int64_t until = fleet->now_ms + ms; fleet->now_ms < until;) {
        fleet->now_ms += FLEET_POLL_MS;
        to = fleet_step(fleet);
    }
    return to;
}

START_TEST(after_fallback_after_of_silence_the_fallback_applies)
{
    static const struct {
        const char *fallback;
        int64_t from, to;
    } CASES[] = {{"\"hold\"", 3, 3}, {"\"target\"", 3, 25}, {"\"max\"", 3, 30},    {"10", 3, 10},
                 {"10", 20, 20},     {"\"min\"", 20, 20},   {"\"target\"", 30, 30}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char policy[100];
        (void)snprintf(policy, sizeof policy, "{\"fallback\":%s,\"fallback_after\":\"2m\"}",
                       CASES[i].fallback);
        struct fleet fleet = fleet_open(NULL, policy);
        (void)controller_adopt(fleet.ctl, CASES[i].from);
        (void)fleet_see(&fleet, 10);
        ck_assert_int_eq(silent_for(&fleet, 115000), CASES[i].from);
        int64_t to = silent_for(&fleet, 5000);
        ck_assert_msg(to == CASES[i].to, "fallback %s from %lld: %lld", CASES[i].fallback,
                      (long long)CASES[i].from, (long long)to);
        if (CASES[i].to != CASES[i].from)
            ck_assert_why(&fleet, DECISION_WHY_FALLBACK);
        ck_assert_int_eq(silent_for(&fleet, 3600000), CASES[i].to);
        fleet_close(&fleet);
    }
}
END_TEST

START_TEST(a_queue_that_never_answered_falls_back_counted_from_the_first_step)
{
    struct fleet fleet = fleet_open(NULL, "{\"fallback\":\"target\"}");
    struct strbuf text = STRBUF_INIT;
    ck_assert_int_eq(fleet_step(&fleet), 2);
    ck_assert_int_eq(fleet.last.timers.fallback_after_ms, 600000);
    fleet_text(&fleet.last, &text);
    ck_assert_str_eq(strbuf_str(&text), "hold at 2: depth unknown, fallback, 600 s to go");
    ck_assert_int_eq(silent_for(&fleet, 595000), 2);
    ck_assert_int_eq(silent_for(&fleet, 5000), 25);
    fleet_text(&fleet.last, &text);
    ck_assert_str_eq(strbuf_str(&text), "depth unknown: fallback to 25 (was 2)");
    /* The depth is back: any row may grow at once. */
    ck_assert_int_eq(fleet_poll(&fleet, 21), 27);
    fleet_close(&fleet);
    strbuf_clean_up(&text);
}
END_TEST

START_TEST(a_fallback_after_of_zero_never_falls_back)
{
    struct fleet fleet = fleet_open(NULL, "{\"fallback\":\"max\",\"fallback_after\":\"0s\"}");
    (void)fleet_step(&fleet);
    ck_assert_int_eq(silent_for(&fleet, 7200000), 2);
    fleet_close(&fleet);
}
END_TEST

/* The time in which nobody asked the queue is not time in which it was silent. */
START_TEST(an_absence_of_the_controller_is_no_silence_of_the_queue)
{
    struct fleet fleet = fleet_open(NULL, "{\"fallback\":\"max\",\"fallback_after\":\"2m\"}");
    (void)fleet_see(&fleet, 10);
    fleet.now_ms += 3600000;
    ck_assert_int_eq(fleet_step(&fleet), 2);
    ck_assert_int_eq(silent_for(&fleet, 115000), 2);
    ck_assert_int_eq(silent_for(&fleet, 5000), 30);
    fleet_close(&fleet);
}
END_TEST

/* ---- samples ---- */

START_TEST(one_sample_never_shrinks_a_fleet)
{
    const char *eager = "{\"scale_in_after\":\"0s\",\"cooldown\":\"0s\"}";
    struct fleet fleet = fleet_open(NULL, eager);
    (void)controller_adopt(fleet.ctl, 30);
    ck_assert_int_eq(fleet_see(&fleet, 0), 30);
    ck_assert_why(&fleet, DECISION_WHY_ONE_SAMPLE);
    for (int i = 0; i < 10; i++) {
        fleet.now_ms += 1000; /* the same sample, looked at again */
        ck_assert_int_eq(fleet_step(&fleet), 30);
        ck_assert_why(&fleet, DECISION_WHY_ONE_SAMPLE);
    }
    fleet.now_ms += 1000;
    ck_assert_int_eq(fleet_see(&fleet, 0), 16);
    fleet.now_ms += 1000;
    ck_assert_int_eq(fleet_step(&fleet), 16);
    ck_assert_why(&fleet, DECISION_WHY_SAME_SAMPLE);
    ck_assert_int_eq(fleet_poll(&fleet, 5), 16);
    ck_assert_int_eq(fleet_poll(&fleet, 4), 16);
    ck_assert_why(&fleet, DECISION_WHY_ONE_SAMPLE);
    fleet.now_ms += 15001; /* the two are too far apart to be a run */
    ck_assert_int_eq(fleet_see(&fleet, 4), 16);
    ck_assert_int_eq(fleet_poll(&fleet, 4), 9);
    fleet_close(&fleet);
}
END_TEST

START_TEST(one_sample_grows_a_fleet_once)
{
    struct fleet fleet = fleet_open(NULL, "{\"cooldown\":\"0s\"}");
    ck_assert_int_eq(fleet_see(&fleet, 21), 4);
    for (int i = 0; i < 5; i++) {
        fleet.now_ms += 1000;
        ck_assert_int_eq(fleet_step(&fleet), 4);
        ck_assert_why(&fleet, DECISION_WHY_SAME_SAMPLE);
    }
    ck_assert_int_eq(fleet_see(&fleet, 21), 6);
    fleet_close(&fleet);
}
END_TEST

/* Ordered capacity counts at once: the base is desired, whatever is ready. */
START_TEST(starting_workers_are_not_ordered_twice)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    reading_set(&fleet.obs.ready, 2, fleet.now_ms);
    ck_assert_int_eq(fleet_see(&fleet, 300), 25);
    for (int i = 0; i < 11; i++) {
        reading_set(&fleet.obs.ready, 2, fleet.now_ms);
        reading_set(&fleet.obs.starting, 23, fleet.now_ms);
        ck_assert_int_eq(fleet_poll(&fleet, 300), 25);
    }
    fleet_close(&fleet);
}
END_TEST

/* ---- the busy floor ---- */

START_TEST(no_shrink_goes_below_what_is_busy)
{
    static const struct {
        int64_t busy, capacity, to;
        enum decision_why why;
    } CASES[] = {
        {0, 5, 16, DECISION_WHY_POLICY},       {64, 5, 16, DECISION_WHY_POLICY},
        {65, 5, 17, DECISION_WHY_POLICY},      {116, 5, 29, DECISION_WHY_POLICY},
        {117, 5, 30, DECISION_WHY_BUSY},       {120, 5, 30, DECISION_WHY_BUSY},
        {1000, 5, 30, DECISION_WHY_BUSY},      {12, 1, 16, DECISION_WHY_POLICY},
        {13, 1, 17, DECISION_WHY_POLICY},      {13, 0, 17, DECISION_WHY_POLICY},
        {INT64_MAX, 1, 30, DECISION_WHY_BUSY},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct fleet fleet = almost_shrinking(NULL);
        fleet.now_ms += FLEET_POLL_MS;
        fleet_sample(&fleet, 0);
        reading_set(&fleet.obs.busy, CASES[i].busy, fleet.now_ms);
        reading_set(&fleet.obs.worker_capacity, CASES[i].capacity, fleet.now_ms);
        int64_t to = fleet_step(&fleet);
        ck_assert_msg(to == CASES[i].to && fleet.last.why == CASES[i].why, "case %zu: %lld, %s", i,
                      (long long)to, decision_why_name(fleet.last.why));
        fleet_close(&fleet);
    }
}
END_TEST

/* ceil(busy / (share x capacity)) has no rounding error at shares that doubles cannot hold. */
START_TEST(the_busy_floor_is_exact)
{
    static const struct {
        const char *share;
        int64_t busy, capacity, floor;
    } CASES[] = {{"0.8", 120, 5, 30}, {"0.7", 21, 3, 10}, {"0.1", 3, 10, 3},
                 {"0.3", 9, 10, 3},   {"1", 26, 5, 6},    {"0.001", 1, 1000, 1}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char policy[64];
        (void)snprintf(policy, sizeof policy, "{\"scale_in_busy_share\":%s}", CASES[i].share);
        struct fleet fleet = fleet_open(NULL, policy);
        fleet_sample(&fleet, 0);
        reading_set(&fleet.obs.busy, CASES[i].busy, fleet.now_ms);
        reading_set(&fleet.obs.worker_capacity, CASES[i].capacity, fleet.now_ms);
        (void)fleet_step(&fleet);
        ck_assert_int_eq(fleet.last.busy_floor, CASES[i].floor);
        fleet_close(&fleet);
    }
}
END_TEST

START_TEST(the_busy_floor_limits_shrinks_only)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    fleet_sample(&fleet, 10);
    reading_set(&fleet.obs.busy, 120, fleet.now_ms);
    ck_assert_int_eq(fleet_step(&fleet), 2);
    ck_assert_int_eq(fleet.last.busy_floor, 30);
    ck_assert_why(&fleet, DECISION_WHY_SATISFIED);
    fleet_close(&fleet);
}
END_TEST

START_TEST(a_share_of_zero_is_the_rule_to_the_letter)
{
    struct fleet fleet = almost_shrinking("{\"scale_in_busy_share\":0}");
    fleet.now_ms += FLEET_POLL_MS;
    fleet_sample(&fleet, 0);
    reading_set(&fleet.obs.busy, 150, fleet.now_ms);
    ck_assert_int_eq(fleet_step(&fleet), 16);
    ck_assert_int_eq(fleet.last.busy_floor, -1);
    fleet_close(&fleet);
}
END_TEST

START_TEST(busy_unknown_lets_visible_and_in_flight_decide)
{
    static const struct {
        bool in_flight_known, busy_stale;
        int64_t visible, in_flight, to;
        enum decision_why why;
    } CASES[] = {
        {true, false, 0, 0, 16, DECISION_WHY_POLICY},  {true, false, 4, 60, 16, DECISION_WHY_POLICY},
        {true, false, 4, 61, 17, DECISION_WHY_POLICY}, {true, false, 0, 200, 30, DECISION_WHY_BUSY},
        {true, true, 0, 200, 30, DECISION_WHY_BUSY},   {false, false, 0, 0, 30, DECISION_WHY_BUSY_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct fleet fleet = almost_shrinking(NULL);
        fleet.now_ms += FLEET_POLL_MS;
        fleet_sample(&fleet, CASES[i].visible);
        reading_set(&fleet.obs.in_flight, CASES[i].in_flight, fleet.now_ms);
        fleet.obs.in_flight.known = CASES[i].in_flight_known;
        fleet.obs.busy.known = CASES[i].busy_stale;
        fleet.obs.busy.at_ms = fleet.now_ms - 15001;
        int64_t to = fleet_step(&fleet);
        ck_assert_msg(to == CASES[i].to && fleet.last.why == CASES[i].why, "case %zu: %lld, %s", i,
                      (long long)to, decision_why_name(fleet.last.why));
        fleet_close(&fleet);
    }
}
END_TEST

/* Workers without telemetry: each is taken to do one thing at a time. */
START_TEST(unknown_worker_capacity_counts_as_one)
{
    struct fleet fleet = almost_shrinking(NULL);
    fleet.now_ms += FLEET_POLL_MS;
    fleet_sample(&fleet, 0);
    fleet.obs.busy.known = false;
    fleet.obs.worker_capacity.known = false;
    reading_set(&fleet.obs.in_flight, 14, fleet.now_ms);
    ck_assert_int_eq(fleet_step(&fleet), 18);
    fleet_close(&fleet);
}
END_TEST

/* ---- held shrinks, adopted counts ---- */

START_TEST(held_shrinks_wait_and_growth_does_not)
{
    struct fleet fleet = almost_shrinking(NULL);
    controller_hold_shrink(fleet.ctl, fleet.now_ms, 300000);
    controller_hold_shrink(fleet.ctl, fleet.now_ms, 1000); /* an earlier end changes nothing */
    ck_assert_int_eq(fleet_poll(&fleet, 0), 30);
    ck_assert_why(&fleet, DECISION_WHY_SHRINK_HELD);
    ck_assert_int_eq(fleet.last.timers.shrink_hold_ms, 295000);
    ck_assert_int_eq(fleet_poll_for(&fleet, 0, 290000), 30);
    ck_assert_int_eq(fleet_poll(&fleet, 0), 16);
    controller_hold_shrink(fleet.ctl, fleet.now_ms, 300000);
    ck_assert_int_eq(fleet_poll(&fleet, 201), 25);
    fleet_close(&fleet);
}
END_TEST

START_TEST(an_adopted_count_is_clamped_and_begins_the_evidence_anew)
{
    struct fleet fleet = almost_shrinking(NULL);
    ck_assert_int_eq(controller_adopt(fleet.ctl, 1), 2);
    ck_assert_int_eq(controller_adopt(fleet.ctl, 31), 30);
    ck_assert_int_eq(controller_adopt(fleet.ctl, 20), 20);
    ck_assert_int_eq(fleet_poll(&fleet, 0), 20);
    ck_assert_int_eq(fleet_poll_for(&fleet, 0, 295000), 20);
    ck_assert_int_eq(fleet.last.timers.scale_in_cooldown_ms, 0);
    ck_assert_int_eq(controller_adopt(fleet.ctl, 20), 20); /* no change, nothing begins anew */
    ck_assert_int_eq(fleet_poll(&fleet, 0), 11);
    fleet_close(&fleet);
}
END_TEST

/* ---- limits ---- */

START_TEST(limits_hold_whatever_the_policy_says)
{
    struct fleet fleet = fleet_open("{\"min\":3,\"max\":4}", NULL);
    ck_assert_int_eq(controller_desired(fleet.ctl), 3);
    ck_assert_int_eq(fleet_see(&fleet, 21), 4);
    ck_assert_int_eq(fleet.last.clamp_count, 1);
    ck_assert_int_eq(fleet.last.clamps[0].kind, DECISION_CLAMP_MAX);
    ck_assert_int_eq(fleet.last.clamps[0].from, 5);
    ck_assert_int_eq(fleet.last.clamps[0].to, 4);
    fleet_close(&fleet);

    fleet = fleet_open("{\"min\":7,\"max\":7}", NULL);
    ck_assert_int_eq(fleet_see(&fleet, 100000), 7);
    ck_assert_why(&fleet, DECISION_WHY_AT_MAX);
    ck_assert_int_eq(fleet_poll_for(&fleet, 0, 3600000), 7);
    fleet_close(&fleet);
}
END_TEST

/* ---- a restless clock ---- */

START_TEST(a_clock_that_goes_back_lengthens_no_cooldown)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    (void)fleet_see(&fleet, 21);
    fleet.now_ms -= 86400000;
    ck_assert_int_eq(fleet_see(&fleet, 21), 4);
    ck_assert_why(&fleet, DECISION_WHY_SCALE_OUT_COOLDOWN);
    ck_assert_int_eq(fleet.last.timers.scale_out_cooldown_ms, 60000);
    ck_assert_int_eq(fleet_poll_for(&fleet, 21, 60000), 6);
    fleet_close(&fleet);
}
END_TEST

START_TEST(a_clock_that_goes_back_lengthens_no_hold)
{
    struct fleet fleet = almost_shrinking(NULL);
    controller_hold_shrink(fleet.ctl, fleet.now_ms, 100000);
    fleet.now_ms -= 86400000;
    (void)fleet_see(&fleet, 0);
    ck_assert_int_eq(fleet.last.timers.shrink_hold_ms, 100000);
    fleet_close(&fleet);
}
END_TEST

START_TEST(a_clock_that_jumps_either_way_proves_no_low_depth)
{
    static const int64_t JUMPS_MS[] = {86400000, 15001, -1, -5000, -86400000};
    for (size_t i = 0; i < sizeof JUMPS_MS / sizeof JUMPS_MS[0]; i++) {
        struct fleet fleet = almost_shrinking(NULL);
        fleet.now_ms += JUMPS_MS[i];
        ck_assert_int_eq(fleet_see(&fleet, 0), 30);
        ck_assert_int_eq(fleet_poll_for(&fleet, 0, 295000), 30);
        ck_assert_int_eq(fleet_poll(&fleet, 0), 16);
        fleet_close(&fleet);
    }
}
END_TEST

START_TEST(extreme_times_and_values_overflow_nothing)
{
    static const int64_t EXTREMES[] = {INT64_MIN, -1, 0, 1, INT64_MAX};
    enum { COUNT = sizeof EXTREMES / sizeof EXTREMES[0] };
    struct fleet fleet = fleet_open(NULL, "{\"fallback\":\"max\"}");
    for (int i = 0; i < COUNT * COUNT * COUNT; i++) {
        fleet.now_ms = EXTREMES[i % COUNT];
        reading_set(&fleet.obs.visible, EXTREMES[i / COUNT % COUNT], EXTREMES[i / COUNT / COUNT]);
        reading_set(&fleet.obs.busy, EXTREMES[i / COUNT % COUNT], EXTREMES[i % COUNT]);
        reading_set(&fleet.obs.in_flight, EXTREMES[i / COUNT % COUNT], EXTREMES[i % COUNT]);
        reading_set(&fleet.obs.worker_capacity, EXTREMES[i / COUNT % COUNT], EXTREMES[i % COUNT]);
        controller_hold_shrink(fleet.ctl, fleet.now_ms, 1000);
        int64_t to = fleet_step(&fleet);
        ck_assert(to >= 2 && to <= 30);
    }
    fleet_close(&fleet);
}
END_TEST

/* ---- holds in words ---- */

START_TEST(holds_read_as_plain_words)
{
    struct strbuf text = STRBUF_INIT;
    struct fleet fleet = almost_shrinking(NULL);
    fleet.now_ms += FLEET_POLL_MS;
    fleet_sample(&fleet, 0);
    reading_set(&fleet.obs.busy, 130, fleet.now_ms);
    (void)fleet_step(&fleet);
    fleet_text(&fleet.last, &text);
    ck_assert_str_eq(
        strbuf_str(&text),
        "hold at 30: visible 0 < 5 for 300 s: down 14 to 16; 33 workers are needed for what is busy");
    fleet.now_ms += FLEET_POLL_MS;
    fleet_sample(&fleet, 0);
    reading_set(&fleet.obs.busy, 110, fleet.now_ms);
    (void)fleet_step(&fleet);
    fleet_text(&fleet.last, &text);
    ck_assert_str_eq(strbuf_str(&text),
                     "visible 0 < 5 for 305 s: down 14 to 16, kept at what is busy 28 (was 30)");
    (void)fleet_poll(&fleet, 0);
    fleet_text(&fleet.last, &text);
    ck_assert_str_eq(strbuf_str(&text),
                     "hold at 28: visible 0 < 5 for 310 s: down 13 to 15; scale-in cooldown, 55 s to go");
    fleet.now_ms += 16000;
    (void)fleet_step(&fleet);
    fleet_text(&fleet.last, &text);
    ck_assert_str_eq(strbuf_str(&text), "hold at 28: depth stale (16 s old)");
    fleet_close(&fleet);
    strbuf_clean_up(&text);
}
END_TEST

START_TEST(waits_read_as_whole_seconds)
{
    struct strbuf text = STRBUF_INIT;
    struct fleet fleet = fleet_open(NULL, NULL);
    ck_assert_int_eq(fleet_see(&fleet, 25), 4);
    fleet.now_ms += 10003;
    ck_assert_int_eq(fleet_see(&fleet, 25), 4);
    fleet_text(&fleet.last, &text);
    ck_assert_str_eq(strbuf_str(&text),
                     "hold at 4: visible 25 > 20: +2 to 6; scale-out cooldown, 50 s to go");
    fleet_close(&fleet);
    strbuf_clean_up(&text);
}
END_TEST

/* The high step that a fleet has taken and given back must not keep it from the lowest for the rest of a
 * cooldown. */
START_TEST(after_a_shrink_the_lowest_step_counts_as_higher)
{
    struct fleet fleet = fleet_open(
        NULL, "{\"scale_out_cooldown\":\"1h\",\"scale_in_cooldown\":\"1s\",\"scale_in_after\":\"30s\"}");
    ck_assert_int_eq(fleet_see(&fleet, 700), 30);
    ck_assert_int_lt(fleet_poll_for(&fleet, 0, 60000), 30);
    int64_t before = controller_desired(fleet.ctl);
    ck_assert_int_eq(fleet_poll(&fleet, 25), before + 2);
    ck_assert_why(&fleet, DECISION_WHY_POLICY);
    fleet_close(&fleet);
}
END_TEST

UNIT_MAIN("policies_controller", waits_read_as_whole_seconds, after_a_shrink_the_lowest_step_counts_as_higher,
          unknown_or_stale_depth_holds, unknown_or_stale_depth_does_not_grow_either,
          a_sample_of_stale_after_is_still_believed, unknown_workers_do_not_stop_growth,
          after_fallback_after_of_silence_the_fallback_applies,
          a_queue_that_never_answered_falls_back_counted_from_the_first_step,
          a_fallback_after_of_zero_never_falls_back, an_absence_of_the_controller_is_no_silence_of_the_queue,
          one_sample_never_shrinks_a_fleet, one_sample_grows_a_fleet_once,
          starting_workers_are_not_ordered_twice, no_shrink_goes_below_what_is_busy, the_busy_floor_is_exact,
          the_busy_floor_limits_shrinks_only, a_share_of_zero_is_the_rule_to_the_letter,
          busy_unknown_lets_visible_and_in_flight_decide, unknown_worker_capacity_counts_as_one,
          held_shrinks_wait_and_growth_does_not, an_adopted_count_is_clamped_and_begins_the_evidence_anew,
          limits_hold_whatever_the_policy_says, a_clock_that_goes_back_lengthens_no_cooldown,
          a_clock_that_goes_back_lengthens_no_hold, a_clock_that_jumps_either_way_proves_no_low_depth,
          extreme_times_and_values_overflow_nothing, holds_read_as_plain_words)
